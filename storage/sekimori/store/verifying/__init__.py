"""What ``verify`` is made of: the checks of a lane, a tree, the super-log and the keys, and who does them."""
