"""The only package that imports paramiko: connections to customers' servers, every fault as a code."""
