"""`python3 manage.py create_tables|create_user|change_password`: tables and users, from the command line."""

import settings

from sandbox.mybookshelf.container import manage

manage(settings)
