"""Methods × metrics × images: resumable, over devices and hosts, into one file of results."""
