"""The parts of the decision: pure, from values to values; headrace.scaler.decide puts them together."""
