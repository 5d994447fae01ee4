"""The driver `power`: hosts of an Ansible inventory, switched by IPMI, Wake-on-LAN or SSH."""
