"""A stand-in for the Scaleway API, close enough for the official SDK and its awkward sides.

Servers go through asynchronous states with delays and boot as real machines; a terminated server leaves its
block volumes and flexible IPs behind; faults are switched on and off through `/_sandbox/faults`. Everything
it knows is on disk, so it may be stopped and started again in the middle of a job.
"""
