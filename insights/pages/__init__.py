"""The marketer's pages: each page is data, rendered by one set of templates."""
