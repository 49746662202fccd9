//! The last moment at which the process was known to live: the end of what a crash cut short.

use model::now::Wall;

use crate::calls::Calls;
use crate::connection::Value;
use crate::error::Error;

impl Calls<'_> {
    /// Writes down that the process lives. Call it every second while there are live calls.
    pub async fn live_at(&self, now: Wall) -> Result<(), Error> {
        self.0
            .write(move |connection| {
                let sql = "INSERT INTO life (one, at) VALUES (1, $1) \
                           ON CONFLICT (one) DO UPDATE SET at = excluded.at";
                connection.execute(sql, &[Value::number(now.0)]).map(drop)
            })
            .await
    }

    /// When the process was last known to live with calls, in this run or an earlier one.
    pub async fn lived_until(&self) -> Result<Option<Wall>, Error> {
        let sql = "SELECT at FROM life WHERE one = 1";
        self.0
            .peek(|connection| connection.first(sql, &[], |row| Ok(Wall(row.get(0)?))))
    }
}
