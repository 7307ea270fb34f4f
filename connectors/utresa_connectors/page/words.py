"""The words of the page itself in both languages; those of the field are in `terms`."""

from __future__ import annotations

from collections.abc import Mapping

from utresa_connectors.report.derived import Label

WORDS: Mapping[str, Label] = {
    # The frame
    "name": Label("Utresa", "Utresa"),
    "subtitle": Label(
        "Gemensam redovisning av återvändandeverksamhetens resultat, löpande",
        "Joint report on the results of the return activities, running",
    ),
    "skip": Label("Till innehållet", "To the content"),
    "pages": Label("Sidor", "Pages"),
    "report": Label("Tabell 1–4", "Tables 1–4"),
    "text": Label("Uppgifter i texten", "Figures in the text"),
    "measures": Label("Alla uppgifter", "All figures"),
    "compare": Label("Jämför utgåvor", "Compare editions"),
    "revisions": Label("Revideringar", "Revisions"),
    "quality": Label("Kvalitet", "Quality"),
    "other_language": Label("In English", "På svenska"),
    "as_of": Label("Kända registreringar till och med", "Registrations known through"),
    "loaded_at": Label("Sidan hämtades", "Page fetched"),
    "not_connected": Label(
        "Sidan är inte ansluten: uppgifterna ändras inte.", "The page is not connected: the figures do not change."
    ),
    "not_live": Label(
        "Utan JavaScript ändras uppgifterna först när sidan hämtas på nytt.",
        "Without JavaScript the figures change only when the page is fetched again.",
    ),
    # Choosing
    "choose": Label("Urval", "Selection"),
    "edition": Label("Utgåva", "Edition"),
    "from": Label("Från år", "From year"),
    "to": Label("Till år", "To year"),
    "year": Label("År", "Year"),
    "show": Label("Visa", "Show"),
    "all_years": Label("Alla år", "All years"),
    "earlier": Label("Den ena utgåvan", "One edition"),
    "later": Label("Den andra utgåvan", "The other edition"),
    "download": Label("Ladda ner", "Download"),
    "empty": Label("Inga uppgifter är publicerade än.", "No figures are published yet."),
    # Tables
    "unit": Label("Antal", "Number"),
    "notes": Label("Anmärkningar", "Notes"),
    "note": Label("Anmärkning", "Note"),
    "source": Label("Källa", "Source"),
    "figure": Label("Uppgift", "Figure"),
    "revised": Label("reviderad", "revised"),
    "same_figures": Label("Samma uppgifter står i tabellen.", "The table has the same figures."),
    "months": Label(
        "Avvisade internationella brottsaktörer efter månad (§3.3)",
        "International criminal actors refused by month (§3.3)",
    ),
    "month": Label("Månad", "Month"),
    "all": Label("Totalt", "Total"),
    # Measures and figures
    "rule": Label("Regel", "Rule"),
    "year_of": Label("Året avgörs av", "The year is that of"),
    "kind": Label("Slag", "Kind"),
    "mean_of": Label("Medelvärde över", "Mean over"),
    "sum": Label("Summa", "Sum"),
    "key": Label("Nyckel", "Key"),
    "other_editions": Label("Samma uppgift i andra utgåvor", "The same figure in other editions"),
    "all_of_measure": Label("Hela uppgiften", "The whole measure"),
    "explained": Label(
        "Den som får se ärendena bakom uppgiften frågar efter dem med",
        "Who may see the cases behind the figure asks for them with",
    ),
    # Revisions
    "at": Label("När (UTC)", "When (UTC)"),
    "old": Label("Före", "Before"),
    "new": Label("Efter", "After"),
    "why": Label("Varför: händelse", "Why: event"),
    "no_revisions": Label(
        "Inte ändrad efter att årets redovisning publicerades.", "Not changed since the year's report was published."
    ),
    "no_revisions_at_all": Label(
        "Ingen uppgift i utgåvan är ändrad efter publiceringen.",
        "No figure of the edition has changed since publication.",
    ),
    "about_revisions": Label(
        "Varje ändring av en uppgift efter att årets redovisning publicerades, den senaste först. Händelsen är den "
        "registrering som ändrade uppgiften; den myndighet som sände den känner igen den.",
        "Each change of a figure after the year's report was published, the newest first. The event is the "
        "registration that changed the figure; the agency that sent it knows it by this name.",
    ),
    "kept_revisions": Label("De senaste visas; antal i allt:", "The last are shown; in all there were:"),
    # Comparing
    "difference": Label("Skillnad", "Difference"),
    "reasons": Label("Varför", "Why"),
    "differs": Label("Definitioner som skiljer", "Definitions that differ"),
    "same_definitions": Label(
        "Ingen definition skiljer mellan utgåvorna.", "No definition differs between the editions."
    ),
    "others": Label("Övriga uppgifter som skiljer", "Other figures that differ"),
    "not_counted": Label(
        "Hur mycket varje regel gör av en skillnad är inte räknat: det görs av den som får se ärendena, med",
        "How much each rule makes of a difference has not been counted: whoever may see the cases does so, with",
    ),
    "outdated": Label("räknat när skillnaden var en annan", "counted when the difference was another"),
    # Quality
    "feeds": Label("Hur långt myndigheternas uppgifter är fullständiga", "How far the agencies' feeds are complete"),
    "agency": Label("Myndighet", "Agency"),
    "through": Label("Fullständigt till och med (UTC)", "Complete through (UTC)"),
    "findings": Label(
        "Avstämning mellan myndigheternas registreringar", "Reconciliation of the agencies' registrations"
    ),
    "about_findings": Label(
        "Antal fynd efter det år de gäller; de är inga fel, och ingen uppgift vilar på dem. Fynd utan dag räknas bara "
        "i summan.",
        "Number of findings by the year they are about; they are no errors, and no figure rests on them. Those that "
        "name no day count only in the total.",
    ),
    "finding": Label("Fynd", "Finding"),
    "sis": Label("Hur SIS täcker de registrerade utresorna", "How SIS covers the registered exits"),
    "about_sis": Label(
        "För utresor med okänd destination. Fynden gäller alla slags beslut, raden från Tabell 1 bara "
        "avlägsnandebeslut: andelen är den minsta möjliga.",
        "Of exits with unknown destination. The findings are of all kinds of decision, the row of Table 1 only of "
        "removal decisions: the share is the least possible.",
    ),
    # Not there
    "not_there": Label("Finns inte", "Not there"),
    "not_there_text": Label(
        "Det som efterfrågas är inte publicerat. Kontrollera adressen, eller börja om från tabellerna.",
        "What was asked for is not published. Check the address, or start again from the tables.",
    ),
}
