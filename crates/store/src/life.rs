//! The last moment at which the process was known to live: the end of what a crash cut short.

use model::now::Wall;
use sqlx::Row as _;

use crate::calls::Calls;
use crate::error::Error;

impl Calls<'_> {
    /// Writes down that the process lives. Call it every second while there are live calls.
    pub async fn live_at(&self, now: Wall) -> Result<(), Error> {
        self.0
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO life (one, at) VALUES (1, $1) \
                         ON CONFLICT (one) DO UPDATE SET at = excluded.at",
                    )
                    .bind(now.0)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// When the process was last known to live with calls, in this run or an earlier one.
    pub async fn lived_until(&self) -> Result<Option<Wall>, Error> {
        let row = sqlx::query("SELECT at FROM life WHERE one = 1")
            .fetch_optional(&mut *self.0.reader().await?)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map(Wall))
    }
}
