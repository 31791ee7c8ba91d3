"""What reports share: their blocks as HTML and Markdown, wordings, and the look of pictures."""
