"""Reports as one HTML file each: no script, nothing from elsewhere, readable in the dark, by
keyboard and on paper."""
