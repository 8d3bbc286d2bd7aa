// A Worker beside the edge, in workerd too: applies what a database has not seen of `MIGRATIONS`, at any request.

/** Applies files, lists of `[file, statements]`, in order and as one batch, each with its own record. */
async function migrate(db, files) {
  await db
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, " +
        "applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map((row) => row.name));
  const missing = files.filter(([file]) => !applied.has(file));
  if (missing.length === 0) return;
  const record = db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)");
  await db.batch(
    missing.flatMap(([file, statements]) => [...statements.map((sql) => db.prepare(sql)), record.bind(file)]),
  );
}

export default {
  async fetch(_request, { MIGRATIONS, DB, LOGS }) {
    try {
      await migrate(DB, MIGRATIONS.core);
      await migrate(LOGS, MIGRATIONS.logs);
      return new Response("applied");
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  },
};
