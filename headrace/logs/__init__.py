"""How every process of Headrace writes its log."""
