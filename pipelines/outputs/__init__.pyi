# Public names of this room; each module is loaded when a name of it is first used.
from .contract_page import render_contract as render_contract
from .crosswalk_file import add_provenance as add_provenance
from .crosswalk_file import drop_empty_columns as drop_empty_columns
from .crosswalk_file import write_crosswalk as write_crosswalk
from .declared_tables import measures_table as measures_table
from .declared_tables import sources_table as sources_table
from .letters import write_letters as write_letters
from .publish import report_files as report_files
from .publish import report_is_fresh as report_is_fresh
from .publish import report_problem as report_problem
from .site import INDEX as INDEX
from .site import pages_are_fresh as pages_are_fresh
from .site import publish_pages as publish_pages
from .warehouse_path import WAREHOUSE_NAME as WAREHOUSE_NAME
from .warehouse_path import newest_warehouse as newest_warehouse
from .warehouse_tables import publish_warehouse as publish_warehouse
from .warehouse_tables import warehouse_is_fresh as warehouse_is_fresh
