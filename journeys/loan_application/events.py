"""The events of a loan application and the properties that they carry.

``a_*`` is the application's own state, ``o_*`` that of an offer, ``w_*`` the bank's work on it: scheduled, started,
completed.
"""

EVENTS = {
    "a_submitted": "the applicant sends the application",
    "a_partlysubmitted": "the web form's first part is stored",
    "a_preaccepted": "the application passes the automatic checks and needs more information",
    "a_accepted": "the application is complete and an offer can be made",
    "a_finalized": "the offer is final and goes out",
    "a_approved": "the bank approves the loan",
    "a_registered": "the loan is entered in the books",
    "a_activated": "the loan is paid out",
    "a_declined": "the bank refuses the application",
    "a_cancelled": "the applicant withdraws or never answers",
    "o_selected": "the applicant is chosen for an offer",
    "o_created": "an offer is drawn up",
    "o_sent": "an offer is sent to the applicant",
    "o_sent_back": "the applicant returns the signed offer",
    "o_accepted": "the bank accepts the returned offer",
    "o_cancelled": "an offer is withdrawn, also when a new one replaces it",
    "o_declined": "an offer is refused by the bank",
    "w_afhandelen_leads_schedule": "following up an unfinished submission is planned",
    "w_afhandelen_leads_start": "staff start to follow up an unfinished submission",
    "w_afhandelen_leads_complete": "staff stop following up an unfinished submission",
    "w_completeren_aanvraag_schedule": "completing the application is planned",
    "w_completeren_aanvraag_start": "staff start to complete the application with the applicant",
    "w_completeren_aanvraag_complete": "staff stop completing the application",
    "w_nabellen_offertes_schedule": "a call about a sent offer is planned",
    "w_nabellen_offertes_start": "staff start a call about a sent offer",
    "w_nabellen_offertes_complete": "staff end a call about a sent offer",
    "w_valideren_aanvraag_schedule": "validating the returned papers is planned",
    "w_valideren_aanvraag_start": "staff start to validate the returned papers",
    "w_valideren_aanvraag_complete": "staff stop validating the returned papers",
    "w_nabellen_incomplete_dossiers_schedule": "a call about missing papers is planned",
    "w_nabellen_incomplete_dossiers_start": "staff start a call about missing papers",
    "w_nabellen_incomplete_dossiers_complete": "staff end a call about missing papers",
    "w_beoordelen_fraude_schedule": "a fraud check is planned",
    "w_beoordelen_fraude_start": "staff start a fraud check",
    "w_beoordelen_fraude_complete": "staff stop a fraud check",
    "w_wijzigen_contractgegevens_schedule": "changing the contract's details is planned",
}

PROPERTIES = {
    "amount_requested": "the amount applied for, in euros",
    "resource": "the member of staff who did the step",
    "automatic": "1 for a step of the automatic system, 0 for one of a person",
}
