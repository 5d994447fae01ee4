"""What Headrace declares on a cluster or in a cloud. No runtime code lives here."""
