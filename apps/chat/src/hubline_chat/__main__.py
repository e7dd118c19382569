"""`python -m hubline_chat`."""

import sys

from hubline_chat.launch import main

sys.exit(main())
