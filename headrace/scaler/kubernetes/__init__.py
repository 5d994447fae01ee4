"""The scaler on Kubernetes: functions and pools are objects, workers are pods."""
