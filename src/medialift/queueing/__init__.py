"""The work queue and its ledger: what there is to do, who does it, and how it ended."""
