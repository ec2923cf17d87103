# Public names of this room; each module is loaded when a name of it is first used.
from .bundled import import_bundled_releases as import_bundled_releases
from .check import RoadCheck as RoadCheck
from .check import check_road as check_road
from .check_log import is_scheduled as is_scheduled
from .check_log import log_check as log_check
from .http import download_file as download_file
from .refresh import add_file as add_file
from .refresh import refresh_all as refresh_all
from .refresh import refresh_source as refresh_source
from .refresh import validate_file as validate_file
from .response import Limits as Limits
from .response import Request as Request
from .response import validate_content as validate_content
from .response import validate_size as validate_size
from .snapshot_log import Outcome as Outcome
from .urls import publisher_file_name as publisher_file_name
from .urls import safe_file_name as safe_file_name
