"""The fetcher: looks at files on customers' servers and brings those whose content changed. It has no database."""
