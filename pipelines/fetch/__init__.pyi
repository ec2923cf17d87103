# Public names of this room; each module is loaded when a name of it is first used.
from .bundled import take_in as take_in
from .http import download as download
from .refresh import add_file as add_file
from .refresh import refresh_all as refresh_all
from .refresh import refresh_source as refresh_source
from .refresh import see_file as see_file
from .response import Limits as Limits
from .response import Wanted as Wanted
from .response import see_content as see_content
from .response import see_size as see_size
from .snapshot_log import Outcome as Outcome
from .urls import file_name as file_name
from .urls import safe_name as safe_name
