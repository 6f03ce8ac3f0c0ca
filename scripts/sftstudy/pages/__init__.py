"""What the pages, tables and listings that people read share.

``numbers``  numbers as people read them
``text``     untrusted text made fit to be shown
``columns``  lines of aligned columns
``render``   the template environment
"""
