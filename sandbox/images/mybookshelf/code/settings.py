"""The settings that the image comes with; an installation may have others read before them."""

import os

MAX_CONTENT_LENGTH = 100 * 1024 * 1024
SECRET_KEY = "the same in every installation"
SECRET_KEY2 = "and so is this"
DELEGATED_TOKEN = "and this"
TOKEN_VALIDITY_HOURS = 4

DATA_DIR = os.environ.get("MBS2_DATA_DIR", "/data")
DB_HOST = os.environ.get("MBS2_DB_HOST", "localhost")
DB_PORT = os.environ.get("MBS2_DB_PORT", "5432")
DB_NAME = os.environ.get("MBS2_DB_NAME", "ebooks")
DB_USER = os.environ.get("MBS2_DB_USER", "ebooks")
DB_PASSWORD = os.environ.get("MBS2_DB_PASSWORD", "ebooks")
# The real app's port is fixed, and it has no port for faults.
APP_PORT = int(os.environ.get("STANDIN_PORT", "6006"))
CONTROL_PORT = int(os.environ.get("STANDIN_CONTROL_PORT", "6007"))
WS_PORT = int(os.environ.get("MBS2_WS_PORT", "8080"))
DELEGATED_PORT = int(os.environ.get("MBS2_DELEGATED_PORT", "9080"))
