"""Process plumbing that two services need and that knows no business noun."""
