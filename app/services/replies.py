"""What a text message to us does: each word of reply_words.py has one handler here.

The effects, the answer and the mark that the message has been handled are one transaction, so a
message is handled once or not at all, whatever happens in between (I1, I2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.domain.clock import helsinki_day
from app.domain.masking import others_named
from app.domain.municipalities import municipality_names
from app.domain.notice_types import NoticeType
from app.domain.notice_values import several_points
from app.domain.power_cuts import open_cut
from app.domain.reply_words import ReplyWord, parse_reply
from app.domain.status_answers import answer_of_cut, decide_status_answer
from app.models.reply import InboundSms
from app.services import (
    area_subscriptions,
    audit,
    customer_reports,
    inbound_sms,
    opt_outs,
    reply_cases,
    reply_enrolment,
    reply_people,
    reply_questions,
    visits,
)
from app.services.reply_cases import CaseReason
from app.services.reply_desk import REFUSED_ENROLMENTS_PER_DAY, CutsOf, Desk
from app.services.reply_people import Site
from app.services.reply_questions import OPTIONS_MAX, Option
from app.settings import Settings

# While a person has answered lately, what the customer adds belongs to that talk.
_TALK = timedelta(hours=24)


def handle(
    session: Session, sms: InboundSms, settings: Settings, now: datetime, cuts_of: CutsOf
) -> str:
    """Do what the message asks for and mark it as handled; returns the verdict.

    The message must be locked (inbound_sms.lock). cuts_of: the look at a point's power cuts that
    customer service has, too.
    """
    desk = Desk(
        session=session,
        sms=sms,
        reply=parse_reply(sms.body),
        person=reply_people.find_person(session, sms.from_number, helsinki_day(now)),
        recent=inbound_sms.recent(session, sms, now),
        settings=settings,
        now=now,
        cuts_of=cuts_of,
    )
    sms.customer_id = desk.person.customer_id
    if len(desk.person.sites) == 1:
        sms.gsrn = desk.person.sites[0].gsrn
    handler = _HANDLERS[desk.reply.word]
    if not desk.is_known and desk.reply.word is ReplyWord.START:
        handler = _follow_again
    elif not desk.is_known and desk.reply.word not in _FOR_ANYBODY:
        handler = _unknown
    verdict = handler(desk)
    if not desk.is_answerable and sms.answer_type is None:
        # Nobody hears back from us, so a person should know.
        desk.ask_a_person(
            CaseReason.LIMITED if sms.from_number.startswith("+") else CaseReason.NOT_ANSWERABLE
        )
    inbound_sms.close(sms, verdict, now)
    return verdict


def _stop(desk: Desk) -> str:
    """End every topic for the number, under every customer; before the answer leaves (REQ-11)."""
    done = opt_outs.opt_out(
        desk.session, desk.sms.from_number, None, source="SMS", by=desk.by, now=desk.now
    )
    detail = {"contacts": list(done.contact_ids), "stopped": len(done.stopped_notice_ids)}
    audit.record(desk.session, desk.by, "OPTED_OUT", f"number:{desk.sms.id}", detail, desk.now)
    others = reply_people.other_contacts(
        desk.session, desk.person.own_customer_ids, desk.sms.from_number
    )
    if others:
        phones = [value for kind, value in others if kind == "SMS"]
        active = others_named(phones, len(others) - len(phones), desk.language)
        desk.tell(NoticeType.OPT_OUT_OTHERS_ACTIVE, {"active": active})
    else:
        desk.tell(NoticeType.OPT_OUT_OK)
    follows = area_subscriptions.followed(desk.session, desk.sms.from_number)
    if not desk.is_known and not follows:
        desk.ask_a_person(CaseReason.UNKNOWN_NUMBER)
    return ReplyWord.STOP


def _follow_again(desk: Desk) -> str:
    """START from whoever is no customer and follows an area: they were told that it brings it back."""
    areas = area_subscriptions.followed(desk.session, desk.sms.from_number)
    if not areas:
        return _unknown(desk)
    names = [municipality_names(code).in_language(desk.language) for code in areas]
    _opt_in(desk)
    desk.tell(
        NoticeType.OPT_IN_OK,
        site=Site("", area_subscriptions.SUBSCRIBERS, ", ".join(names)),
    )
    return ReplyWord.START


def _start(desk: Desk) -> str:
    _opt_in(desk)
    desk.tell(NoticeType.OPT_IN_OK, site=_all_sites(desk))
    return ReplyWord.START


def _opt_in(desk: Desk) -> None:
    done = opt_outs.opt_in(
        desk.session, desk.sms.from_number, source="SMS", by=desk.by, now=desk.now
    )
    detail = {"contacts": list(done.contact_ids), "changed": done.changed}
    audit.record(desk.session, desk.by, "OPTED_IN", f"number:{desk.sms.id}", detail, desk.now)


def _enrol(desk: Desk) -> str:
    """Let the number follow a customer's points; a wrong pair is answered like any odd message."""
    found = None
    if desk.recent.refused_enrolments_in_day < REFUSED_ENROLMENTS_PER_DAY:
        found = reply_enrolment.enrol(
            desk.session,
            desk.sms.from_number,
            desk.reply.customer_no or "",
            desk.reply.point_no or "",
            by=desk.by,
            now=desk.now,
        )
    if found is None:
        desk.ask_a_person(CaseReason.ENROL_REFUSED)
        desk.tell_not_understood()
        return "ENROL_REFUSED"
    customer_id, gsrn = found
    detail = {"customer": customer_id, "gsrn": gsrn}
    audit.record(desk.session, desk.by, "ENROLLED", f"number:{desk.sms.id}", detail, desk.now)
    on = helsinki_day(desk.now)
    desk.person = reply_people.find_person(desk.session, desk.sms.from_number, on)
    site = next(one for one in desk.person.sites if one.gsrn == gsrn)
    desk.note_site(site)
    desk.tell(NoticeType.OPT_IN_OK, site=site)
    return ReplyWord.ENROL


def _outage(desk: Desk) -> str:
    site = _chosen_site(desk)
    if site is not None:
        return _report(desk, site)
    return _which_site(desk, ReplyWord.OUTAGE)


def _report(desk: Desk, site: Site) -> str:
    """Keep what the customer says; tell what is known, if the cut is known already (REQ-05)."""
    desk.note_site(site)
    cut = open_cut(desk.cuts_of(desk.session, site.gsrn))
    if cut is None or not cut.is_swap or cut.is_unconfirmed:
        customer_reports.record(
            desk.session,
            site.gsrn,
            desk.sms.received_at,
            by=desk.by,
            inbound_sms_id=desk.sms.id,
            now=desk.now,
        )
    if cut is not None and cut.is_unconfirmed:
        # The visit explains the report to the fault desk, so that only a person here can help.
        desk.ask_a_person(CaseReason.OFF_AFTER_VISIT, site)
    if cut is None or cut.is_suspected or cut.is_unconfirmed:
        desk.tell(NoticeType.REPORT_RECEIVED, site=site)
    else:
        desk.tell(*answer_of_cut(cut, desk.now), site)
    return ReplyWord.OUTAGE


def _status(desk: Desk) -> str:
    site = _chosen_site(desk)
    if site is not None:
        return _tell_status(desk, site)
    if len(desk.person.sites) <= OPTIONS_MAX:
        return _which_site(desk, ReplyWord.STATUS)
    # Too many to ask: the one that is off, or that all are on.
    for one in desk.person.sites:
        if open_cut(desk.cuts_of(desk.session, one.gsrn)) is not None:
            return _tell_status(desk, one)
    desk.tell(NoticeType.STATUS_NO_OUTAGE, site=_all_sites(desk))
    return ReplyWord.STATUS


def _tell_status(desk: Desk, site: Site) -> str:
    """The same that customer service sees (REQ-21)."""
    desk.note_site(site)
    cuts = desk.cuts_of(desk.session, site.gsrn)
    desk.tell(*decide_status_answer(cuts, desk.now), site)
    return ReplyWord.STATUS


def _yes(desk: Desk) -> str:
    return _answer_visit(desk, ReplyWord.YES)


def _no(desk: Desk) -> str:
    return _answer_visit(desk, ReplyWord.NO)


def _answer_visit(desk: Desk, word: ReplyWord) -> str:
    """OK or EI to the time that was proposed last; asks which one when there are several."""
    contacts = opt_outs.find_contacts(desk.session, desk.sms.from_number)
    proposed = visits.proposed_to(desk.session, contacts, desk.now)
    if not proposed:
        return _unclear(desk)
    if len(proposed) > 1:
        options = [
            Option(one.gsrn, _site_of(desk, one.gsrn).name, one.order_id)
            for one in proposed[:OPTIONS_MAX]
        ]
        if desk.reply.number is None or desk.reply.number > len(options):
            reply_questions.ask(desk, word, options)
            return f"{word}_WHICH"
        return _record_visit(desk, word, options[desk.reply.number - 1].order_id or "")
    return _record_visit(desk, word, proposed[0].order_id)


def _record_visit(desk: Desk, word: ReplyWord, order_id: str) -> str:
    says = visits.CONFIRMED if word is ReplyWord.YES else visits.DECLINED
    window = visits.answer(
        desk.session,
        order_id,
        says=says,
        by=desk.by,
        inbound_sms_id=desk.sms.id,
        now=desk.now,
    )
    if window is None:
        return _unclear(desk)
    desk.sms.order_id = order_id
    visit = visits.find(desk.session, order_id)
    site = _site_of(desk, visit.gsrn if visit else "")
    desk.note_site(site)
    if word is ReplyWord.YES:
        desk.tell(NoticeType.BOOKING_OK, window.facts(), site)
    else:
        desk.tell(NoticeType.BOOKING_NO, window.facts(), site)
        # The installer still has the time: somebody has to call it off and find another.
        desk.ask_a_person(CaseReason.VISIT_DECLINED, site)
    return word


def _number(desk: Desk) -> str:
    """The answer to a question of ours; without one, a number says nothing."""
    chosen = reply_questions.take_answer(
        desk.session, desk.sms.from_number, desk.reply.number or 0, desk.now
    )
    if chosen is None:
        return _unclear(desk)
    if chosen.order_id is not None:
        return _record_visit(desk, chosen.word, chosen.order_id)
    site = _site_of(desk, chosen.gsrn)
    return _report(desk, site) if chosen.word is ReplyWord.OUTAGE else _tell_status(desk, site)


def _help(desk: Desk) -> str:
    desk.tell(NoticeType.HELP_REPLY)
    return ReplyWord.HELP


def _unclear(desk: Desk) -> str:
    since = desk.now - _TALK
    case_id = reply_cases.talks(desk.session, desk.sms.from_number, since)
    desk.ask_a_person(CaseReason.UNCLEAR)
    if case_id is not None:
        return "TALK"
    desk.tell_not_understood()
    return ReplyWord.UNCLEAR


def _unknown(desk: Desk) -> str:
    """A number that no customer has gets no data, and a person's eyes."""
    desk.ask_a_person(CaseReason.UNKNOWN_NUMBER)
    desk.tell_not_understood()
    return "UNKNOWN_NUMBER"


def _which_site(desk: Desk, word: ReplyWord) -> str:
    """Ask which of the sites is meant; a person asks where there are none, or too many."""
    sites = desk.person.sites
    if 1 < len(sites) <= OPTIONS_MAX:
        reply_questions.ask(desk, word, [Option(site.gsrn, site.name) for site in sites])
        return f"{word}_WHICH"
    desk.ask_a_person(CaseReason.MANY_SITES if sites else CaseReason.UNCLEAR)
    desk.tell_not_understood()
    return f"{word}_WHICH" if sites else ReplyWord.UNCLEAR


def _chosen_site(desk: Desk) -> Site | None:
    """The only site, or the one whose number stands beside the word."""
    sites, number = desk.person.sites, desk.reply.number
    if len(sites) == 1:
        return sites[0]
    return sites[number - 1] if number is not None and number <= len(sites) else None


def _site_of(desk: Desk, gsrn: str) -> Site:
    """A site by its number; one that the person has left since is named without its address."""
    known = (site for site in desk.person.sites if site.gsrn == gsrn)
    return next(known, Site(gsrn, desk.person.customer_ids[0], None))


def _all_sites(desk: Desk) -> Site | None:
    """All sites under one name, for an answer that is about the number."""
    sites = desk.person.sites
    if len(sites) > 1:
        return Site("", sites[0].customer_id, several_points(len(sites), desk.language))
    return sites[0] if sites else None


# What also a number that we do not know may do.
_FOR_ANYBODY = frozenset({ReplyWord.STOP, ReplyWord.HELP, ReplyWord.ENROL})
_HANDLERS: Mapping[ReplyWord, Callable[[Desk], str]] = {
    ReplyWord.STOP: _stop,
    ReplyWord.START: _start,
    ReplyWord.ENROL: _enrol,
    ReplyWord.OUTAGE: _outage,
    ReplyWord.STATUS: _status,
    ReplyWord.YES: _yes,
    ReplyWord.NO: _no,
    ReplyWord.HELP: _help,
    ReplyWord.NUMBER: _number,
    ReplyWord.UNCLEAR: _unclear,
}
