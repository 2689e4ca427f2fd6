"""Google's identity tokens, and AWS's signatures and storage."""
