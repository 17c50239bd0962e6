"""Domains that many companies use at once: mailbox providers and sites that host others' pages."""

_MAILBOXES = """
aliceadsl.fr aim.com alice.it aol.com arcor.de bbox.fr bigpond.com bluewin.ch bol.com.br btinternet.com
cegetel.net club-internet.fr comcast.net cox.net daum.net email.com estvideo.fr eircom.net fastmail.com
free.fr freenet.de gmail.com gmx.com googlemail.com hanmail.net hey.com hushmail.com icloud.com inbox.lv
interia.pl iol.pt laposte.net libero.it list.ru live.com mac.com mail.com mail.ru mailo.com me.com msn.com
naver.com neuf.fr noos.fr numericable.fr o2.pl online.de onet.pl op.pl optonline.net orange.fr outlook.com
pm.me posteo.de proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com
rogers.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com skynet.be sky.com sohu.com t-online.de telenet.be
terra.com.br tin.it tiscali.it tuta.io tutanota.com ukr.net uol.com.br verizon.net virgilio.it virginmedia.com
voila.fr vp.pl wanadoo.fr web.de wp.pl xtra.co.nz yandex.ru ymail.com zoho.com 9online.fr 126.com 139.com 163.com
bk.ru inbox.ru att.net bellsouth.net charter.net earthlink.net gmx.net hotmail.com yeah.net nordnet.fr
"""
_SITES = """
about.me airbnb.com amazonaws.com angel.co azurewebsites.net beacons.ai behance.net bio.link bit.ly
booking.com business.site calendly.com canva.site carrd.co crunchbase.com discord.gg doctolib.fr dribbble.com
etsy.com eventbrite.com facebook.com fb.com fb.me firebaseapp.com framer.website g.page ghost.io github.com
github.io gitlab.io glassdoor.com godaddysites.com goo.gl google.com gumroad.com helloasso.com herokuapp.com
instagram.com jimdo.com jimdofree.com jimdosite.com kompass.com leboncoin.fr linkedin.com linktr.ee lnkd.in
mailchi.mp malt.fr medium.com messenger.com myshopify.com mystrikingly.com netlify.app notion.site
notion.so over-blog.com pages.dev pagesjaunes.fr pagespersoorange.fr pagesperso-orange.fr pappers.fr
pinterest.com planity.com reddit.com sites.google.com site123.me skype.com snapchat.com societe.com
solocal.com soundcloud.com squarespace.com strikingly.com substack.com surge.sh t.co t.me telegram.me
thefork.com threads.net tiktok.com tripadvisor.com trustpilot.com tumblr.com twitch.tv twitter.com typepad.com
ueniweb.com vercel.app verif.com viadeo.com vimeo.com vk.com wa.me web.app webflow.io webnode.com webnode.fr
webself.net weebly.com whatsapp.com wikipedia.org wix.com wixsite.com wordpress.com x.com xing.com yelp.com
yellowpages.com youtu.be youtube.com e-monsite.com
"""
_DOMAINS = frozenset((_MAILBOXES + _SITES).split())
# These stand under many countries: yahoo.fr, yahoo.co.uk, blogspot.com.br.
_EVERYWHERE = """
airbnb amazon blogspot ebay facebook gmx google hotmail leboncoin linkedin live outlook pinterest protonmail
tripadvisor yahoo yandex yelp
"""
_BRANDS = frozenset(_EVERYWHERE.split())
_SECOND_LEVELS = frozenset(("co", "com", "net", "org"))


def is_shared(domain: str) -> bool:
    """Tell whether a domain, or one above it, belongs to many companies, so that it identifies none."""
    labels = domain.split(".")
    if not _BRANDS.isdisjoint(labels) and any(
        label in _BRANDS and _is_ending(labels[place + 1 :]) for place, label in enumerate(labels)
    ):
        return True
    above = domain
    while above:
        if above in _DOMAINS:
            return True
        above = above.partition(".")[2]
    return False


def _is_ending(labels: list[str]) -> bool:
    return len(labels) == 1 or (len(labels) == 2 and labels[0] in _SECOND_LEVELS)
