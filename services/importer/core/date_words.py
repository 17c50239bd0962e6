"""What dates are spelled with: names of months and days, and how times of day end."""

# English, French, German, Spanish and Italian names in lower case without accents, month by month.
_MONTH_NAMES = (
    "january jan janvier janv januar janner jaenner enero ene gennaio gen",
    "february feb fevrier fevr fev februar febrero febbraio",
    "march mar mars marz maerz mrz marzo",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag",
    "june jun juin juni junio giugno giu",
    "july jul juillet juil juli julio luglio lug",
    "august aug aout aou agosto ago",
    "september sept sep septembre septiembre setiembre settembre set",
    "october oct octobre oktober okt octubre ottobre ott",
    "november nov novembre noviembre",
    "december dec decembre dezember dez diciembre dic dicembre",
)
MONTHS = {name: month for month, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_WEEKDAY_NAMES = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim",
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so",
    "lunes martes miercoles jueves viernes sabado domingo lun mar mie jue vie sab dom",
    "lunedi martedi mercoledi giovedi venerdi sabato domenica lun mar mer gio ven sab dom",
)
WEEKDAYS = frozenset(name for names in _WEEKDAY_NAMES for name in names.split())
LEADING_WORDS = WEEKDAYS | {"the", "le", "der", "den", "el", "il"}

ZONE = r"(?P<zone>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?)"
HALF = r"(?P<half>[ap])\.?m\.?"
