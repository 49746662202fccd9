//! Keys: as telephone events (RFC 4733) and as tones.

use super::*;

#[test]
fn digits_arrive_exactly_both_ways() {
    let mut world = World::new();
    let (a, b) = world.link(1, 2, PCMU, |_, _| {});
    world.play(a, 1, Source::Digits("1122w#A*0".into()));
    world.play(b, 2, Source::Digits("99".into()));
    world.run(4000);
    assert_eq!(world.digits(b), "1122#A*0");
    assert_eq!(world.digits(a), "99");
    for event in &world.events {
        if let Event::Digit {
            duration_ms,
            source,
            ..
        } = event
        {
            assert_eq!((*duration_ms, *source), (100, DigitSource::TelephoneEvent));
        }
    }
}

#[test]
fn digits_as_tones_are_detected() {
    for format in [PCMU, PCMA, G722] {
        let mut world = World::new();
        let (a, b) = world.link(1, 2, format, |_, settings| {
            settings.telephone_event_send = None;
            settings.telephone_event_receive = None;
        });
        world.apply(Command::DetectDtmf { port: b, on: true });
        world.play(a, 1, Source::Digits("0123456789*#ABCD".into()));
        world.run(5000);
        assert_eq!(world.digits(b), "0123456789*#ABCD", "{}", format.name);
    }
}

#[test]
fn keys_reach_the_other_side_of_opus_and_g711() {
    for (first, second) in [(OPUS, PCMU), (PCMU, OPUS)] {
        let mut world = bridged(first, second);
        world.play(PortId(1), 1, Source::Digits("190".into()));
        world.run(3000);
        assert_eq!(world.digits(PortId(2)), "190");
        assert_eq!(world.digits(PortId(4)), "190");
        for event in &world.events {
            if let Event::Digit { duration_ms, .. } = event {
                assert_eq!(*duration_ms, 100);
            }
        }
    }
}
