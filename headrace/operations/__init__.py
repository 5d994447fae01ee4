"""What a person does to a running stack: values in, values out, on the ports only; nothing is printed."""
