"""The single looks of `validate`, by what they are about."""
