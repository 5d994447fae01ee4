"""What `pulumi` needs beside its binary to run this project where its own Python host can't be had."""
