"""A stand-in for Audible's catalogue, Audnexus and their images, also when they are slow, full or changed."""
