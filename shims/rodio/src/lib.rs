//! A loudspeaker that is never there.
//!
//! `fliters` carries Flite and a voice, and asks for `rodio` to play them. We want the voice as
//! samples only, and `rodio` would ask for ALSA's headers. This has the names that `fliters`
//! compiles against and answers every attempt to play with [`NoLoudspeaker`] (decision D11).

/// The answer to every attempt to play.
#[derive(Debug)]
pub struct NoLoudspeaker;

/// Decodes nothing.
pub struct Decoder<R>(std::marker::PhantomData<R>);

impl<R> Decoder<R> {
    /// Always fails.
    pub fn new(_: R) -> Result<Self, NoLoudspeaker> {
        Err(NoLoudspeaker)
    }
}

impl<R> source::Source for Decoder<R> {}

/// No output.
pub struct OutputStream;

/// No output either.
pub struct OutputStreamHandle;

impl OutputStream {
    /// Always fails.
    pub fn try_default() -> Result<(Self, OutputStreamHandle), NoLoudspeaker> {
        Err(NoLoudspeaker)
    }
}

impl OutputStreamHandle {
    /// Always fails.
    pub fn play_raw<S>(&self, _: S) -> Result<(), NoLoudspeaker> {
        Err(NoLoudspeaker)
    }
}

/// No queue of sounds.
pub struct Sink;

/// Where `rodio` keeps its trait of sounds.
pub mod source {
    /// A sound.
    pub trait Source: Sized {
        /// The same sound.
        fn convert_samples(self) -> Self {
            self
        }
    }
}
