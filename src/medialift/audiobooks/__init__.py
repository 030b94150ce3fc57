"""The intake of audiobooks: every folder becomes one gapless, chaptered, tagged M4B, or says why not."""
