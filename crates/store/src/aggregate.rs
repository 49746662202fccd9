//! The handle that every aggregate of an account has: find, insert, update, remove.

/// Declares a handle on [`Store`](crate::Store) with the operations that all aggregates share.
macro_rules! aggregate {
    ($(#[$doc:meta])* $handle:ident, $method:ident: $record:ty, by $sid:ty) => {
        $(#[$doc])*
        pub struct $handle<'a>(#[allow(dead_code)] pub(crate) &'a $crate::store::Store);

        impl $crate::store::Store {
            $(#[$doc])*
            pub fn $method(&self) -> $handle<'_> {
                $handle(self)
            }
        }

        impl $handle<'_> {
            /// The one with this identifier, if the account has it.
            pub async fn find(
                &self,
                account: model::sid::AccountSid,
                sid: $sid,
            ) -> Result<Option<$record>, $crate::error::Error> {
                let filters = $crate::rows::Filters::default().eq("sid", sid).eq("account", account);
                self.0.peek(|connection| $crate::rows::find(connection, &filters))
            }

            /// Adds a new one. `Taken` if a value that must be unique is not, `Full` if the
            /// account has too many.
            pub async fn insert(&self, record: $record) -> Result<(), $crate::error::Error> {
                self.0
                    .write(move |connection| {
                        $crate::rows::insert(connection, &record)
                    })
                    .await
            }

            /// Changes one as a single step, whoever else changes it at the same time, and
            /// returns it as it is now; `None` if the account has no such one.
            pub async fn update(
                &self,
                account: model::sid::AccountSid,
                sid: $sid,
                change: impl FnOnce(&mut $record) + Send + 'static,
            ) -> Result<Option<$record>, $crate::error::Error> {
                let filters = $crate::rows::Filters::default().eq("sid", sid).eq("account", account);
                self.0
                    .write(move |connection| {
                        $crate::rows::update(connection, &filters, change)
                    })
                    .await
            }

            /// Removes one with what belongs to it; whether there was one.
            pub async fn remove(
                &self,
                account: model::sid::AccountSid,
                sid: $sid,
            ) -> Result<bool, $crate::error::Error> {
                let filters = $crate::rows::Filters::default().eq("sid", sid).eq("account", account);
                self.0
                    .write(move |connection| {
                        $crate::rows::remove::<$record>(connection, &filters)
                    })
                    .await
            }
        }
    };
}
pub(crate) use aggregate;
