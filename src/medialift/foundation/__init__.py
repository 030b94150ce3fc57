"""Foundation: files, archives, processes, time and text. It knows no word of media."""
