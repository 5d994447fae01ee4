"""The scaler on virtual time: traces of files, and the cheapest schedule that any policy could find."""
