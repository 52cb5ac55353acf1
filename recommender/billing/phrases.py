"""What an invoice says, in English and French. Pure; a test holds both catalogues to the same keys.

Texts with `{…}` are filled in by `wording.phrase`.
"""

from recommender.billing.pricing import Reason

MONTHS_FR = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
)

REASONS = {
    Reason.DUE: "The fee so far, less what was billed before.",
    Reason.CAPPED: "Limited by the contract's cap; the rest is carried to later months.",
    Reason.NOT_PROVEN: (
        "No success fee is due: it is not proven yet that the recommendations raise revenue."
    ),
    Reason.NOTHING_NEW: "No success fee is due: the fee so far was billed before.",
    Reason.CREDIT_TO_COME: (
        "No success fee is due: more was billed than is due by now. The difference is given back "
        "at the yearly settlement, unless later months make up for it."
    ),
    Reason.HELD: (
        "No success fee is due: more was billed than is proven by now, and later months make up "
        "for it before anything new is billed."
    ),
    Reason.CREDIT: "Yearly settlement: the fee so far is lower than what was billed.",
    Reason.FROZEN: (
        "No success fee is billed: the split of visitors between the groups is off, and until that "
        "is explained no comparison can be trusted."
    ),
}
REASONS_FR = {
    Reason.DUE: "La rémunération acquise à ce jour, moins ce qui a déjà été facturé.",
    Reason.CAPPED: "Limité par le plafond du contrat ; le reste est reporté aux mois suivants.",
    Reason.NOT_PROVEN: (
        "Aucune rémunération au succès : il n’est pas encore prouvé que les recommandations "
        "augmentent le chiffre d’affaires."
    ),
    Reason.NOTHING_NEW: (
        "Aucune rémunération au succès : celle acquise à ce jour a déjà été facturée."
    ),
    Reason.CREDIT_TO_COME: (
        "Aucune rémunération au succès : il a été facturé plus que ce qui est acquis à ce jour. La "
        "différence est rendue lors de la régularisation annuelle, sauf si les mois suivants la "
        "compensent."
    ),
    Reason.HELD: (
        "Aucune rémunération au succès : il a été facturé plus que ce qui est prouvé à ce jour ; "
        "les mois suivants le compensent d’abord."
    ),
    Reason.CREDIT: (
        "Régularisation annuelle : la rémunération acquise est inférieure à ce qui a été facturé."
    ),
    Reason.FROZEN: (
        "Aucune rémunération au succès : la répartition des visiteurs entre les groupes est "
        "anormale, et tant que cela n’est pas expliqué aucune comparaison n’est fiable."
    ),
}

ENGLISH = {
    "invoice": "Invoice",
    "credit-note": "Credit note",
    "from": "From",
    "to": "To",
    "issued": "Issued",
    "period": "Service period",
    "due": "Payable until",
    "corrects": "Corrects",
    "of-day": "{number} of {day}",
    "order-reference": "Your reference",
    "category": "Category of operation",
    "services": "services",
    "vat-number": "VAT {number}",
    "siren": "SIREN {number}",
    "siret": "SIRET {number}",
    "capital": "{form}, capital {capital}",
    "designation": "Services",
    "quantity": "Quantity",
    "price": "Unit price",
    "amount": "Amount",
    "net": "Total without VAT",
    "vat": "VAT {rate}",
    "to-pay": "To pay",
    "to-you": "In your favour",
    "success_tier": "Success fee, {rate} of the revenue gained since {day}",
    "success_tier_above": "Success fee, {rate} of the revenue gained since {day} above {tier}",
    "billed_before": "Less success fees billed before",
    "carried_in": "Carried from the contract's version before",
    "not_billed": "Not billed this month",
    "not_billed_capped": "Carried to later months by the contract's cap",
    "not_billed_frozen": "Held back until the measurement can be trusted again",
    "not_billed_credit-to-come": "Given back at the yearly settlement",
    "licence": "Licence fee, {days} of {of_days} days",
    "minimum": "Up to the agreed minimum of {amount}",
    "gated_midpoint": "The gain is counted midway between proven minimum and best estimate.",
    "proven_minimum": "The gain is counted at its proven minimum.",
    "fair_value": "The gain is counted at its best estimate, once it is proven.",
    "four-ways": "Four ways to price the same months",
    "ours": "Our bill so far",
    "ours-note": "this invoice included",
    "proven": "Proven minimum",
    "proven-note": "fee on the interval's lower end",
    "best": "Best estimate",
    "best-note": "fee on the middle of the interval",
    "last-click": "Last click",
    "last-click-note": "what click attribution would charge",
    "gained": "{amount} additional revenue (between {low} and {high}).",
    "measured": "What was measured since {day}",
    "group": "Group",
    "share": "Share",
    "visitors": "Visitors",
    "buyers": "Buyers",
    "orders": "Orders",
    "revenue": "Net revenue",
    "per-visitor": "Per visitor",
    "treatment": "With recommendations",
    "control": "Without (holdout)",
    "check": "Check this invoice yourself: the daily figures of both groups and the contract's "
    "terms are attached to this file. {command} recomputes the amount from them alone.",
    "statement-hash": "Statement SHA-256",
    "evidence-hash": "Evidence SHA-256",
    "xml-hash": "E-invoice SHA-256",
    "ledger-end": "Books before it, entry {sequence}",
    "salt": "Assignment salt",
    "pay-to": "Please pay to {iban} (BIC {bic}), quoting {number}.",
    "late": "Late payment: interest of {rate} a year from the day after the due date, without "
    "any reminder.",
    "recovery": "Recovery charge for late payment: {amount}.",
    "no-discount": "No discount for early payment.",
    "AE": "Autoliquidation: VAT is due by the customer ({law}).",
    "AE-law": "article 196, directive 2006/112/EC",
    "AE-law-FR": "article 283-2 CGI; article 196, directive 2006/112/EC",
    "O": "Service supplied outside the European Union: no VAT ({law}).",
    "O-law": "article 44, directive 2006/112/EC",
    "O-law-FR": "article 259-1 CGI",
    "attached": "Attached",
}
FRENCH = {
    "invoice": "Facture",
    "credit-note": "Avoir",
    "from": "Vendeur",
    "to": "Client",
    "issued": "Date d’émission",
    "period": "Période de prestation",
    "due": "À payer au plus tard le",
    "corrects": "Rectifie",
    "of-day": "{number} du {day}",
    "order-reference": "Votre référence",
    "category": "Catégorie d’opération",
    "services": "prestations de services",
    "vat-number": "N° TVA {number}",
    "siren": "SIREN {number}",
    "siret": "SIRET {number}",
    "capital": "{form} au capital de {capital}",
    "designation": "Prestations",
    "quantity": "Quantité",
    "price": "Prix unitaire HT",
    "amount": "Montant HT",
    "net": "Total HT",
    "vat": "TVA {rate}",
    "to-pay": "Net à payer TTC",
    "to-you": "En votre faveur TTC",
    "success_tier": "Rémunération au succès, {rate} du chiffre d’affaires gagné depuis le {day}",
    "success_tier_above": "Rémunération au succès, {rate} du chiffre d’affaires gagné depuis le "
    "{day} au-delà de {tier}",
    "billed_before": "Moins la rémunération au succès déjà facturée",
    "carried_in": "Reporté de la version précédente du contrat",
    "not_billed": "Non facturé ce mois-ci",
    "not_billed_capped": "Reporté aux mois suivants par le plafond du contrat",
    "not_billed_frozen": "Retenu jusqu’à ce que la mesure soit de nouveau fiable",
    "not_billed_credit-to-come": "Rendu à la régularisation annuelle",
    "licence": "Abonnement, {days} jours sur {of_days}",
    "minimum": "Complément jusqu’au minimum convenu de {amount}",
    "gated_midpoint": "Le gain est compté à mi-chemin entre minimum prouvé et meilleure "
    "estimation.",
    "proven_minimum": "Le gain est compté à son minimum prouvé.",
    "fair_value": "Le gain est compté à sa meilleure estimation, une fois prouvé.",
    "four-ways": "Quatre façons de facturer les mêmes mois",
    "ours": "Facturé à ce jour",
    "ours-note": "ce document compris",
    "proven": "Minimum prouvé",
    "proven-note": "sur la borne basse de l’intervalle",
    "best": "Meilleure estimation",
    "best-note": "sur le milieu de l’intervalle",
    "last-click": "Dernier clic",
    "last-click-note": "ce que compterait l’attribution au clic",
    "gained": "{amount} de chiffre d’affaires supplémentaire (entre {low} et {high}).",
    "measured": "Ce qui a été mesuré depuis le {day}",
    "group": "Groupe",
    "share": "Part",
    "visitors": "Visiteurs",
    "buyers": "Acheteurs",
    "orders": "Commandes",
    "revenue": "CA net",
    "per-visitor": "Par visiteur",
    "treatment": "Avec recommandations",
    "control": "Sans (groupe témoin)",
    "check": "Vérifiez vous-même cette facture : les chiffres quotidiens des deux groupes et les "
    "termes du contrat sont joints à ce fichier. {command} recalcule le montant à partir d’eux "
    "seuls.",
    "statement-hash": "SHA-256 du relevé",
    "evidence-hash": "SHA-256 des preuves",
    "xml-hash": "SHA-256 du XML",
    "ledger-end": "Journal avant elle, écriture {sequence}",
    "salt": "Sel d’affectation",
    "pay-to": "À régler sur {iban} (BIC {bic}), en indiquant {number}.",
    "late": "En cas de retard de paiement : pénalités au taux annuel de {rate}, exigibles sans "
    "rappel dès le lendemain de l’échéance.",
    "recovery": "Indemnité forfaitaire pour frais de recouvrement en cas de retard : {amount}.",
    "no-discount": "Pas d’escompte pour paiement anticipé.",
    "AE": "Autoliquidation : TVA due par le preneur ({law}).",
    "AE-law": "article 196 de la directive 2006/112/CE",
    "AE-law-FR": "article 283-2 du CGI ; article 196 de la directive 2006/112/CE",
    "O": "Service fourni hors de l’Union européenne : pas de TVA ({law}).",
    "O-law": "article 44 de la directive 2006/112/CE",
    "O-law-FR": "article 259-1 du CGI",
    "attached": "Fichiers joints",
}
PHRASES = {"en": ENGLISH, "fr": FRENCH}

RESULTS = {
    "en": {
        "none": "Too few visitors have bought yet, with or without recommendations, to compare "
        "the two groups.",
        "more": "Since {since} your visitors with recommendations spent between {low} and {high} "
        "more than the {held} without (best estimate {best}).",
        "less": "Since {since} your visitors with recommendations spent between {low} and {high} "
        "less than the {held} without (best estimate {best}).",
        "open": "Since {since} your visitors with recommendations spent between {low} less and "
        "{high} more than the {held} without (best estimate {best}): no difference is proven yet.",
    },
    "fr": {
        "none": "Trop peu de visiteurs ont acheté, avec ou sans recommandations, pour comparer "
        "les deux groupes.",
        "more": "Depuis le {since}, vos visiteurs avec recommandations ont dépensé entre {low} et "
        "{high} de plus que les {held} sans (meilleure estimation {best}).",
        "less": "Depuis le {since}, vos visiteurs avec recommandations ont dépensé entre {low} et "
        "{high} de moins que les {held} sans (meilleure estimation {best}).",
        "open": "Depuis le {since}, vos visiteurs avec recommandations ont dépensé entre {low} de "
        "moins et {high} de plus que les {held} sans (meilleure estimation {best}) : aucune "
        "différence n’est encore prouvée.",
    },
}
"""Sentences about the comparison."""

REMINDERS = {
    "en": {
        "subject-1": "Invoice {number}: payment overdue",
        "subject-2": "Second reminder of invoice {number}",
        "subject-3": "Last reminder of invoice {number}",
        "request-1": "It may have escaped you; if you have paid meanwhile, please ignore this.",
        "request-2": "Please pay it now, or tell us what keeps you from it.",
        "request-3": "Please pay it within 8 days. After that we hand the matter over for "
        "collection.",
        "body": "To {name}\n\nOur invoice {number} of {issued} over {total} was payable until "
        "{due}. On {on}, {days} days later, {open} are open. {request}\n\nInterest of {rate} a "
        "year has come to {interest} by now. The fixed charge for recovery is {recovery}.\n",
    },
    "fr": {
        "subject-1": "Facture {number} : échéance dépassée",
        "subject-2": "Deuxième relance, facture {number}",
        "subject-3": "Dernière relance avant recouvrement, facture {number}",
        "request-1": "Il s’agit peut-être d’un oubli ; si vous avez payé entre-temps, ne tenez pas "
        "compte de ce message.",
        "request-2": "Merci de la régler dès maintenant, ou de nous dire ce qui s’y oppose.",
        "request-3": "Merci de la régler sous 8 jours. Passé ce délai, nous la remettrons au "
        "recouvrement.",
        "body": "À {name}\n\nNotre facture {number} du {issued}, d’un montant de {total}, était à "
        "payer au plus tard le {due}. Au {on}, {days} jours après, {open} restent dus. {request}"
        "\n\nLes pénalités de retard au taux annuel de {rate} s’élèvent à ce jour à {interest}. "
        "L’indemnité forfaitaire pour frais de recouvrement est de {recovery}.\n",
    },
}
"""What is written to who pays late; three steps."""
