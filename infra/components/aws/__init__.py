"""What a platform has on AWS, from the network to the rights of its pods."""
