"""`eventroute serve`: a broker in a process of its own, as a configuration file says."""
