"""What tests of the Pulumi programs share."""
