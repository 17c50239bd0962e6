"""The words by which exports name columns and statuses: data for `meanings`, in phrases between commas."""

# What a column is about: a word of these tells whose name, phone or id it holds.
SUBJECTS = {
    "company": """
        company, account, organization, organisation, org, societe, entreprise, compte, client, customer, firma,
        unternehmen, kunde, empresa, compania, cliente, azienda, societa, etablissement
    """,
    "person": """
        contact, person, personne, people, interlocuteur, decideur, contacto, contatto, kontakt, persona,
        ansprechpartner, dirigeant, gerant, employe, employee, salarie, collaborateur
    """,
    "deal": "deal, opportunity, opportunite, opp, affaire, transaction, oportunidad, opportunita",
    "lead": "lead, prospect, piste",
}
# Words that change little, and what they take from the confidence; sixty and more take it all.
QUALIFIERS = {
    0: """
        k, m, keur, eur, euro, meur, our, notre, travail, primary, main, principal, principale, default, hs, crm,
        hubspot, salesforce, apollo, zoho, sellsy, pipedrive, attio, current, actuel, official, officiel,
        associated, associe, associee, linked, related, custom, champ, field, property, propriete, cet, cest, utc,
        gmt, nom, value, valeur, prefere, preferred, record, fiche, information, standard, 1
    """,
    1: """
        billing, facturation, headquarter, hq, siege, social, legal, juridique, work, pro, professional,
        professionnel, professionnelle, business, office, bureau, direct, directe, fixe, landline
    """,
    8: "mailing, postal, postale, correspondance",
    12: "shipping, livraison, expedition",
    15: """
        home, personal, personnel, personnelle, perso, prive, private, domicile, 2, 3, 4, 5, 6, 7, 8, 9
    """,
    20: "other, autre, secondary, secondaire, alternate, alternatif, additional, additionnel",
    60: """
        parent, ultimate, mere, partner, partenaire, assistant, assistante, previous, precedent, former, ancien
    """,
}
# Words that tell where a postcode or a city stands.
PLACES = "location, address, adresse, emplacement, localisation, lieu"

# The things that columns hold. Phrases are compared without accents, plurals, "de", "of" and the like.
THINGS = {
    "company": """
        company, company name, account, account name, organization, organization name, organisation,
        organisation name, nom organisation, org name, societe, nom societe, raison sociale, denomination,
        denomination sociale, entreprise, nom entreprise, compte, nom compte, business name, legal name, nom legal,
        employer, employeur, firma, firmenname, unternehmen, unternehmensname, empresa, nombre empresa,
        razon social, azienda, nome azienda, ragione sociale, societa, etablissement, nom etablissement,
        company legal name
    """,
    "trade name": "nom commercial, trade name, enseigne, doing business as, dba",
    "customer": """
        client, customer, customer name, nom client, kunde, kundenname, cliente, nombre cliente, display name,
        lead name, nom lead, prospect, nom prospect, nom piste, lead
    """,
    "name": "name, nom, nome",
    "nombre": "nombre",
    "record": "record, enregistrement, record text",
    "full name": """
        full name, fullname, nom complet, contact, contact person, personne contact, person, personne, nom prenom,
        prenom nom, interlocuteur, decideur, ansprechpartner, kontakt, contacto, nombre completo, nome completo,
        persona contacto, first last name, first and last name
    """,
    "first name": """
        first name, firstname, fname, given name, forename, prenom, vorname, primer nombre, nombre pila,
        nome proprio, prename
    """,
    "last name": """
        last name, lastname, lname, surname, family name, nom famille, nachname, familienname, apellido, cognome,
        nom usage
    """,
    "email": """
        email, mail, email address, adresse email, adresse mail, courriel, adresse courriel, adresse electronique,
        adresse messagerie, mel, emailadresse, correo, correo electronico, indirizzo email, posta elettronica,
        email addresse, mail adresse, adresse email valide
    """,
    "phone": """
        phone, phone number, telephone, telephone number, tel, numero telephone, numero tel, num tel, no telephone,
        n telephone, n tel, telefon, telefonnummer, telefono, numero telefono, ligne directe, standard telephonique,
        tel fixe, phone work, telephone bureau
    """,
    "mobile": """
        mobile, mobile phone, mobile number, mobile phone number, cell, cell phone, portable, telephone portable,
        telephone mobile, tel portable, tel mobile, numero portable, numero mobile, numero telephone mobile,
        numero telephone portable, gsm, handy, movil, cellulare, phone mobile
    """,
    "title": """
        title, job title, job, job position, position, role, fonction, poste, titre, titre poste, intitule poste,
        poste occupe, metier, qualite, funktion, berufsbezeichnung, cargo, puesto, ruolo, carica, intitule emploi
    """,
    "linkedin": """
        linkedin, linkedin url, url linkedin, linkedin profile, profil linkedin, linkedin profile url,
        lien linkedin, linkedin link, linkedin bio, page linkedin, adresse linkedin, url profil linkedin
    """,
    "website": """
        website, website url, url website, web, url, site, site url, url site, site internet, site website,
        url site internet, homepage, home page, domain, domain name, company domain name, nom domaine, domaine,
        website domain, webseite, internetseite, sito, adresse website, adresse internet, lien site, page website,
        website address, pagina web
    """,
    "id": """
        id, record id, id record, uid, uuid, guid, identifiant, identifiant unique, identifier, unique id,
        id unique, external id, identifiant externe, id externe, crm id, id crm, id fiche information, id fiche,
        id objet, object id, hs object id, id enregistrement, identifiant enregistrement, id interne, internal id,
        18 digit id, case safe id, id 18 caractere, id hubspot, hubspot id, salesforce id, id salesforce,
        pipedrive id, close id, attio id, system id, kennung, identificador, identificativo
    """,
    "number": """
        number, numero, num, no, n, code, key, cle, nummer, site number, numero interne, codigo, codice
    """,
    "reference": "ref, reference, reference interne, ref interne, external reference, ref externe, matricule",
    "customer number": "kundennummer, code tier, customer number, client number, numero cliente, codice cliente",
    "leadbay id": "leadbay id, id leadbay, leadbay lead id, leadbay, leadbay uuid",
    "stage": """
        stage, stage name, etape, phase, pipeline stage, sale stage, etape pipeline, etape vente, phase vente,
        etape pipe, phase deal, etape affaire, phase transaction, fase, etape actuelle, nom etape,
        etape commerciale, step
    """,
    "status": """
        status, status label, statut, statut commercial, etat, stato, estado, statut relation, status name,
        libelle statut, relationship status, statut prospect, avancement, etat avancement, situation, status text,
        qualification status, statut qualification, label status
    """,
    "lifecycle": """
        lifecycle stage, lifecycle, life cycle stage, phase cycle vie, etape cycle vie, cycle vie, customer stage,
        lifecyclestage
    """,
    "state": "state",
    "status date": """
        close date, closed date, closing date, closed on, closed, date closed, date cloture, cloture,
        date fermeture, date signature, signature date, status date, date status, date statut, status change date,
        status changed, status changed at, status updated at, date changement statut, date maj statut, date etape,
        stage date, stage change date, last stage change date, won date, won time, date won, date gain, gagne le,
        gagnee le, date gagne, affaire gagnee, affaire gagnee le, date affaire gagnee, close time, closed won date,
        date entered current stage, date conclusion, abschlussdatum, fecha cierre, data chiusura, date fin vente
    """,
    "expected date": """
        expected close date, expected closing date, date cloture prevue, date cloture attendue,
        date cloture estimee, estimated close date, date signature prevue, expected closing, date fermeture prevue,
        lost time, lost date, date perte
    """,
    "full address": """
        full address, complete address, address full, full combined address, adresse complete, adresse combinee,
        adresse complete combinee, complete combined address, formatted address, address formatted, location full,
        indirizzo completo, direccion completa, vollstandige adresse, adresse entiere
    """,
    "address": """
        address, adresse, addresse, street address, address street, adresse postale, adresse line 1, address line 1,
        address 1, adresse 1, ligne adresse 1, adresse ligne 1, anschrift, direccion, indirizzo, address address 1,
        postal address, mailing address, adresse rue, location line 1, line 1, ligne 1, adresse partie 1
    """,
    "location": """
        location, localisation, lieu, emplacement, geographic location, implantation, standort, ubicacion,
        code postal ville, cp ville, plz ort, zip city, postcode city
    """,
    "street number": """
        street number, house number, street num, number street, building number, n rue, no rue, num rue, numero rue,
        n voie, numero voie, num voie, numero dans voie, numero maison, hausnummer, numero civico, street no,
        n adresse, no voie
    """,
    "street": """
        street, street name, street road name, road, rue, voie, nom rue, nom voie, nom rue route, libelle voie,
        rue voie, strasse, calle, via, street 1, type et nom voie, rue avenue
    """,
    "postcode": """
        postcode, postal code, zip, zip code, zipcode, zip postal code, zip postcode, postal zip code, code postal,
        cp, codepostal, plz, postleitzahl, codigo postal, cap, post code zip
    """,
    "city": """
        city, town, ville, commune, localite, municipality, city name, nom ville, city town, ville commune,
        city town village locality, ville agglomeration village localite, stadt, ort, ciudad, citta, comune, place,
        municipalite, town city, city locality
    """,
    "sector": """
        sector, industry, business sector, industry sector, secteur, secteur activite, activite,
        activite principale, domaine activite, branche, branch, industrie, vertical, verticale, market, marche,
        segment marche, industry type, libelle naf, libelle ape, libelle activite, category, settore, industria,
        actividad, metier entreprise
    """,
    "sector code": "naf, ape, code naf, code ape, naf code, sic code, sic, naics, naics code, nace, code nace",
    "size": """
        size, employee, employee count, employee range, number employee, no employee, n employee, nombre employe,
        nb employe, nombre salarie, nb salarie, salarie, effectif, tranche effectif, tranche employe, headcount,
        company size, taille, taille entreprise, taille societe, effectif salarie, employe, staff, team size,
        staff count, mitarbeiter, mitarbeiterzahl, empleado, numero empleado, dipendente, numero dipendente,
        employee number range, plage employe, plage effectif, fourchette effectif, tranche salarie,
        nombre collaborateur, collaborateur, no staff, number staff, staff number, employees range
    """,
    "revenue": """
        revenue, annual revenue, revenue range, estimated revenue, estimated arr, turnover, ca, ca annuel,
        chiffre affaire, chiffre affaire annuel, tranche ca, revenu annuel, umsatz, fatturato, facturacion
    """,
    "owner": """
        owner, owner name, owner full name, proprietaire, nom proprietaire, commercial, nom commercial attribue,
        responsable, responsable commercial, responsable compte, charge affaire, charge compte, gestionnaire,
        ingenieur commercial, account manager, account executive, sale rep, sale representative, salesperson,
        assigned to, assigned user, assigne, attribue, suivi, sale owner, vendeur, besitzer, inhaber, propietario,
        proprietario, verantwortlich, key account manager, user name, lead owner name, business developer,
        owner label, commercial referent, commercial charge, commercial attitre
    """,
    "score": """
        score, lead score, rating, scoring, note scoring, hubspot score, icp score, score lead, fit score, notation,
        punteggio, bewertung, puntuacion, score prospect
    """,
    "siren": """
        siren, n siren, no siren, numero siren, num siren, siren number, code siren, company number siren
    """,
    "siret": """
        siret, n siret, no siret, numero siret, num siret, siret number, code siret, siret siege, siren siret,
        n siren siret
    """,
    "deal name": """
        opportunity name, deal name, title deal, deal title, nom affaire, nom opportunite, nom transaction,
        titre affaire
    """,
    "other": """
        amount, montant, currency, devise, price, prix, value, valeur, arr, mrr, acv, tcv, source, origine, canal,
        channel, type, category code, description, note, comment, commentaire, remarque, tag, label, etiquette, fax,
        facebook, twitter, instagram, youtube, pinterest, angellist, follower, civilite, salutation, gender, genre,
        sexe, birthday, birth, naissance, anniversaire, language, langue, probability, probabilite, forecast,
        prevision, next step, prochaine etape, pipeline, pipe, territory, territoire, country, pay, region,
        province, departement, county, canton, timezone, time zone, fuseau, latitude, longitude, logo, photo, image,
        vat, tva, rcs, iban, bic, date, created, cree, creation, updated, modified, modifie, modification, activity,
        interaction, engagement, meeting, rdv, task, tache, call, appel, visit, session, count, nb, opt,
        unsubscribe, unsubscribed, desinscrit, consent, consentement, rgpd, gdpr, bounce, campaign, campagne,
        product, produit, quantity, quantite, reason, motif, team, equipe, strength, follow, score type, html url,
        linkedin company page, linkedin company, company linkedin url, twitter handle, owner email, owner id,
        email owner, id owner, proprietaire email, email proprietaire, proprietaire id, id proprietaire,
        email commercial, status id, stage id, statut id, account id parent, extension, department, service,
        address 2, adresse 2, street 2, address line 2, adresse line 2, complement, complement adresse,
        adresse complement, state province, state code, etat region, region etat, etat province, pay region,
        address state, location state, address 1 state, state region, user, utilisateur, entry id, list, liste,
        billing state, birthdate, foundation, funding, competitor, concurrent, priority, priorite, deleted,
        supprime, delai, day, jour, age, year, annee, time, heure, hour, path, chemin, partner id, deal,
        opportunity, opportunite, opp, affaire, transaction, ip, password, line 2, ligne 2, line 3, line 4,
        email status, email domain, email verification, email type, status email, statut email, visite,
        domaine email, est, is, has, skype, adresse partie 2, forme juridique, capital
    """,
}

# Targets in lower case are decided by the other columns of the file.
NAME, PERSON, FULL_NAME, EMAIL, ADDRESS, ID = "name", "person", "full name", "email", "address", "id"
# What a thing of a subject is; `*` stands for every other subject, and for none.
MEANINGS: dict[str, dict[str, tuple[str, int] | None]] = {
    "company": {"*": ("LEAD_NAME", 96)},
    "trade name": {"*": ("LEAD_NAME", 70)},
    "customer": {"*": ("LEAD_NAME", 86)},
    "name": {
        "*": (NAME, 92),
        "company": ("LEAD_NAME", 96),
        "lead": ("LEAD_NAME", 88),
        "person": (PERSON, 92),
        "deal": None,
    },
    "nombre": {"*": (NAME, 80), "deal": None},
    "record": {"*": (NAME, 84), "person": (PERSON, 92), "deal": None},
    "full name": {"*": (FULL_NAME, 55)},
    "first name": {"*": ("CONTACT_FIRST_NAME", 96)},
    "last name": {"*": ("CONTACT_LAST_NAME", 96)},
    "email": {"*": (EMAIL, 93), "company": ("EMAIL", 92), "person": ("CONTACT_EMAIL", 96), "deal": None},
    "phone": {
        "*": ("CONTACT_PHONE_NUMBER", 90),
        "person": ("CONTACT_PHONE_NUMBER", 95),
        "company": ("CONTACT_PHONE_NUMBER", 60),
    },
    "mobile": {"*": ("CONTACT_PHONE_NUMBER", 86), "person": ("CONTACT_PHONE_NUMBER", 88)},
    "title": {"*": ("CONTACT_TITLE", 90), "person": ("CONTACT_TITLE", 95), "deal": None, "lead": None, "company": None},
    "linkedin": {"*": ("CONTACT_LINKEDIN", 90), "person": ("CONTACT_LINKEDIN", 96), "company": None},
    "website": {
        "*": ("LEAD_WEBSITE", 94),
        "company": ("LEAD_WEBSITE", 96),
        "person": ("LEAD_WEBSITE", 75),
        "deal": None,
    },
    "id": {
        "*": (ID, 88),
        "company": ("CRM_ID", 96),
        "lead": ("CRM_ID", 88),
        "person": None,
        "deal": ("DEAL_CRM_ID", 96),
    },
    "number": {"*": None, "company": ("CRM_ID", 84), "lead": ("CRM_ID", 80), "deal": ("DEAL_CRM_ID", 84)},
    "reference": {
        "*": (ID, 74),
        "company": ("CRM_ID", 86),
        "lead": ("CRM_ID", 80),
        "person": None,
        "deal": ("DEAL_CRM_ID", 84),
    },
    "customer number": {"*": ("CRM_ID", 84)},
    "leadbay id": {"*": ("LEADBAY_ID", 97)},
    "stage": {"*": ("LEAD_STATUS", 91), "deal": ("LEAD_STATUS", 96)},
    "status": {
        "*": ("LEAD_STATUS", 93),
        "lead": ("LEAD_STATUS", 95),
        "person": ("LEAD_STATUS", 82),
        "deal": ("LEAD_STATUS", 92),
    },
    "lifecycle": {"*": ("LEAD_STATUS", 78)},
    "state": {"*": ("LEAD_STATUS", 45)},
    "status date": {"*": ("LEAD_STATUS_DATE", 92)},
    "expected date": {"*": ("LEAD_STATUS_DATE", 66)},
    "full address": {"*": ("LEAD_LOCATION", 95), "person": ("LEAD_LOCATION", 70)},
    "address": {"*": (ADDRESS, 90), "person": (ADDRESS, 70)},
    "location": {"*": ("LEAD_LOCATION", 76), "person": ("LEAD_LOCATION", 60)},
    "street number": {"*": ("LEAD_LOCATION_STREET_NUM", 94), "person": ("LEAD_LOCATION_STREET_NUM", 70)},
    "street": {"*": ("LEAD_LOCATION_STREET", 94), "person": ("LEAD_LOCATION_STREET", 70)},
    "postcode": {"*": ("LEAD_LOCATION_POSTCODE", 95), "person": ("LEAD_LOCATION_POSTCODE", 72)},
    "city": {"*": ("LEAD_LOCATION_CITY", 95), "person": ("LEAD_LOCATION_CITY", 72)},
    "sector": {"*": ("LEAD_SECTOR", 92)},
    "sector code": {"*": ("LEAD_SECTOR", 62)},
    "size": {"*": ("LEAD_SIZE", 93)},
    "revenue": {"*": ("LEAD_SIZE", 62)},
    "owner": {
        "*": ("OWNER", 92),
        "company": ("OWNER", 95),
        "lead": ("OWNER", 93),
        "deal": ("OWNER", 91),
        "person": ("OWNER", 86),
    },
    "score": {"*": ("SCORE", 92)},
    "siren": {"*": ("SIREN", 97)},
    "siret": {"*": ("SIREN", 92)},
    "deal name": {"*": None},
    "other": {"*": None},
}

# What status texts mean, without case, accents, spaces, punctuation and numbers. Whole texts first.
STATUSES = {
    "WON": """
        won, win, closed won, close won, deal won, opportunity won, opportunite gagnee, gagne, gagnee,
        affaire gagnee, vente gagnee, ferme gagne, fermee gagnee, cloture gagne, cloturee gagnee, conclu gagne,
        conclue gagnee, signe, signee, contrat signe, contract signed, devis signe, signed, bon commande signe,
        customer, client, active customer, client actif, new customer, nouveau client, existing customer,
        client existant, current customer, customer active, abonne, active subscriber, paying customer,
        client payant, converted, converti, convertie, closed converted, vendu, vendue, sold, conclu, conclue,
        evangelist, evangeliste, ambassadeur, devis accepte, quote accepted, proposal accepted, gewonnen, kunde,
        abgeschlossen gewonnen, ganado, ganada, cliente, vinto, vinta, chiuso vinto, won back, reconquis, fidele,
        client fidele, partially won, transaction gagnee, transaction conclue, marche gagne
    """,
    "LOST": """
        lost, closed lost, close lost, deal lost, opportunity lost, opportunite perdue, perdu, perdue,
        affaire perdue, vente perdue, ferme perdu, fermee perdue, cloture perdu, cloturee perdue, churn, churned,
        resilie, resiliee, resiliation, canceled, cancelled, annule, annulee, former customer, ancien client,
        ex client, lost customer, client perdu, past customer, previous customer, inactive customer, client inactif,
        sans suite, classe sans suite, classee sans suite, abandonne, abandonnee, abandoned, devis refuse,
        quote rejected, proposal rejected, lost to competitor, perdu concurrent, verloren, abgeschlossen verloren,
        perdido, perdida, chiuso perso, closed not converted, desabonne, not renewed, non renouvele, failed, echoue,
        termine sans suite, transaction perdue, marche perdu, dead, mort, deal perdu, offre refusee
    """,
    "UNWANTED": """
        unqualified, disqualified, not qualified, non qualifie, non qualifiee, pas qualifie, disqualifie,
        disqualifiee, not interested, no interest, pas interesse, pas interessee, non interesse, non interessee,
        plus interesse, no longer interested, pas interet, pas interet actuel, hors cible, hors scope, hors zone,
        hors perimetre, out of scope, out of target, off target, bad fit, not a fit, no fit, poor fit,
        not a good fit, do not contact, do not call, dnc, ne pas contacter, ne plus contacter, pas contacter,
        plus contacter, ne pas appeler, opposition, blacklist, blacklisted, liste noire, junk, spam, refuse,
        refusee, rejected, rejete, rejetee, non pertinent, pas pertinent, not relevant, irrelevant, invalid,
        invalide, duplicate, doublon, faux numero, wrong number, non eligible, not eligible, competitor, concurrent,
        ecarte, ecartee, archived, archive, out of business, ferme definitivement, liquidation,
        liquidation judiciaire, unsubscribed, desinscrit, unwanted, nicht interessiert, unqualifiziert,
        nicht qualifiziert, no interesado, no cualificado, non interessato, not a target, pas cible, non cible,
        trop petit, too small, not wanted, a exclure, excluded, exclu
    """,
    "WANTED": """
        wanted, qualified, qualifie, qualifiee, qualified lead, lead qualifie, prospect qualifie, qualified to buy,
        qualification, qualifying, en qualification, sql, sales qualified lead, sal, opportunity, opportunite,
        interested, interesse, interessee, very interested, tres interesse, in progress, en cours, encours, ongoing,
        working, working contacted, in discussion, en discussion, discussion, active, actif, negotiation,
        negociation, negotiating, en negociation, negotiations started, negotiation started, negociation entamee,
        negociations entamees, negociations commencees, negotiation review, negociation revision, proposal,
        proposal sent, proposal made, proposition, proposition envoyee, proposition faite, proposition commerciale,
        proposal price quote, proposition devis, proposition tarifaire, quote, quote sent, quoted, devis,
        devis envoye, devis en cours, offre envoyee, offer sent, contract sent, contrat envoye,
        contract negotiation, attente signature, waiting for signature, demo, demo planned, demo scheduled,
        demo done, demo booked, demo planifiee, demo programmee, demo prevue, demo effectuee, demo faite,
        demonstration, demonstration prevue, presentation scheduled, presentation programmee,
        presentation planifiee, presentation prevue, appointment scheduled, appointment, meeting scheduled,
        meeting booked, meeting planned, meeting, rendez vous, rendez vous pris, rendez vous planifie,
        rendez vous programme, rdv, rdv pris, rdv planifie, rdv programme, rdv fixe, decision maker bought in,
        decideur convaincu, adhesion decideur, contacted, contacte, contactee, contact made, contact etabli,
        prise contact, premier contact, contact effectue, attempted to contact, tentative contact, connected,
        connecte, a relancer, relance, relancer, follow up, to follow up, nurturing, nurture, a rappeler, rappeler,
        to call back, call back, open deal, affaire ouverte, transaction ouverte, opportunite ouverte,
        opportunity open, needs analysis, analyse besoins, analyse des besoins, value proposition,
        proposition valeur, proposition de valeur, id decision makers, identification decideurs,
        perception analysis, analyse perception, besoin identifie, besoin qualifie, hot, chaud, warm, tiede,
        hot lead, hot prospect, prospect chaud, trial, essai, en essai, pilot, pilote, poc, evaluation,
        in evaluation, engaged, engage, replied, a repondu, repondu, verbal commitment, accord verbal, accord oral,
        due diligence, target, cible, interessiert, qualifiziert, in bearbeitung, verhandlung, angebot gesendet,
        interesado, cualificado, en negociacion, propuesta enviada, interessato, qualificato, trattativa,
        in trattativa, offerta inviata, en attente devis, decouverte, discovery, scoping, shortlist, rdv effectue,
        a closer, closing, en attente de signature, attente de signature, prise de contact, tentative de contact,
        rappel, en attente de devis, awaiting signature
    """,
    "INBOUND": """
        inbound, inbound lead, lead entrant, entrant, entrante, website request, web request, website lead,
        lead web, lead site web, demande entrante, demande site, demande site web, demande web, demande de contact,
        contact request, mql, marketing qualified lead, lead marketing qualifie, lead marketing,
        lead qualifie marketing, request, demo request, demo requested, demande de demo, demande de devis,
        quote request, quote requested, hand raiser, formulaire, formulaire web, form submission, web form,
        appel entrant, inbound call, incoming, inscrit site, signed up, sign up, anfrage, eingehend, entrada,
        solicitud, richiesta, demande information
    """,
    "DEFAULT": """
        default, new, nouveau, nouvelle, nouveaux, new lead, nouveau lead, nouveau prospect, nouvelle piste,
        prospect, prospection, prospecting, lead, piste, open, ouvert, ouverte, open not contacted,
        ouvert non contacte, ouverte non contactee, not contacted, non contacte, non contactee, pas contacte,
        pas encore contacte, jamais contacte, never contacted, uncontacted, to contact, a contacter, to call,
        a appeler, a prospecter, to do, a faire, a traiter, a qualifier, to qualify, to be qualified,
        not yet qualified, pas encore qualifie, subscriber, abonne newsletter, cold, froid, cold lead,
        prospect froid, suspect, raw, brut, imported, importe, potential, potentiel, client potentiel,
        potential customer, potential client, unknown, inconnu, not started, non commence, pas commence, non traite,
        a definir, pending, backlog, assigned, unassigned, non attribue, neu, neuer lead, offen, nuevo, nueva,
        abierto, nuovo, aperto, not a customer, non client, pas client, pas encore client, not yet customer,
        en attente
    """,
}
# They are a status alone and say little inside another one: "call the customer", "lead from the fair".
ALONE = """
    customer, client, kunde, cliente, abonne, subscriber, lead, prospect, piste, opportunity, opportunite, open,
    ouvert, ouverte, new, nouveau, nouvelle, active, actif, target, cible, hot, warm, cold, request, website lead,
    lead web, demo, meeting, rdv, rendez vous, quote, devis, proposal, proposition, discussion, potential,
    potentiel, pending, default, assigned, raw, brut, suspect, archive, concurrent, competitor, engage, pilot,
    pilote, poc, essai, trial, win, sold, vendu, fidele, closing, en attente, contact made, appointment, opposition,
    reconquis
"""
# One of these outside of a known phrase turns the meaning round.
NEGATIONS = "not, no, non, pas, sans, never, jamais, aucun, aucune, nicht, kein, keine, ne, plus, nunca, without"
# ...and one of these puts an end into the future, or into doubt.
DOUBTS = """
    to, be, almost, presque, bientot, soon, maybe, peut, probable, probably, potential, potentiel, future, futur,
    ex, nearly, near, quasi, if, si, may, attente, waiting, awaiting, pending, risk, risque, expected, espere, a
"""
