"""What twistd reads when it lists its plugins; nothing of ours is imported until the plugin is used."""

from twisted.application.service import ServiceMaker

revproxy = ServiceMaker("revproxy", "twistedproxy.tap", "A reverse proxy: twistd -n revproxy -c site.ini", "revproxy")
