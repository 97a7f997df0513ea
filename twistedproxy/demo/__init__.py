"""What etc/demo.ini serves: three peers, a slow page, a chat, and the page that shows them."""
