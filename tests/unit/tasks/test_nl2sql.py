"""nl2sql: source, prompt, reading of replies, canonical form, scores."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftstudy.errors import StudyError
from sftstudy.tasks.nl2sql import canonical, data, score
from sftstudy.tasks.nl2sql.reply import extract_sql

SCHEMA = """CREATE TABLE "singer" (
    "Singer_ID" INTEGER, -- (the key
    "Name" TEXT,
    "Country" TEXT DEFAULT ')',
    "Age" INTEGER
);

CREATE TABLE "song" (
    "Song_ID" INTEGER,
    "Singer_ID" INTEGER,
    "Title" TEXT
);"""
MESSAGE = f"Database Schema:\n{SCHEMA}\n\nQuestion:\nHow many singers (CREATE TABLE) are there?"
SQL = "SELECT count(*) FROM singer"


def record(**changes):
    """Return a row in the source's format."""
    return {
        "data_source": "spider",
        "prompt": [
            {"role": "system", "content": "You write SQLite queries."},
            {"role": "user", "content": MESSAGE},
        ],
        "reward_model": {"style": "rule", "ground_truth": SQL},
        "extra_info": {"db_id": "music", "index": 0},
    } | changes


def write(folder, records, name="train.jsonl"):
    text = "\n".join(map(json.dumps, records)) if name.endswith("jsonl") else json.dumps(records)
    (folder / name).write_text(text)
    return folder


def row(sql=SQL):
    return {"reference": {"sql": sql, "schema": SCHEMA, "db_id": "music"}}


class TestRead:
    def test_golden_prompt(self, tmp_path):
        (made,) = data.read(write(tmp_path, [record()]))["train"]
        assert made["prompt"] == [
            {
                "role": "user",
                "content": "Write one SQLite query that answers the question about the database "
                f"described below.\n\n{MESSAGE}\n\nUse only tables and columns of this schema. "
                "Reply with the query alone, in one fenced block:\n```sql\n<query>\n```",
            }
        ]
        assert made["completion"] == [{"role": "assistant", "content": f"```sql\n{SQL}\n```"}]
        assert made["reference"] == {"sql": SQL, "schema": SCHEMA, "db_id": "music"}
        assert (made["id"], made["group"]) == ("train-0", "music")

    def test_all_formats_give_the_same_rows(self, tmp_path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        records = [record(), record(extra_info={"db_id": "other", "index": 1})]
        folders = [tmp_path / name for name in ("jsonl", "json", "parquet")]
        for folder in folders:
            folder.mkdir()
        write(folders[0], records)
        write(folders[1], records, "train.json")
        pq.write_table(pa.Table.from_pylist(records), folders[2] / "train.parquet")
        rows = [data.read(folder) for folder in folders]
        assert rows[0] == rows[1] == rows[2]

    def test_fields_as_the_hub_names_them(self, tmp_path):
        hub = record(db_id="music", reward_spec={"ground_truth": SQL})
        del hub["reward_model"], hub["extra_info"]
        (made,) = data.read(write(tmp_path, [hub]))["train"]
        assert made["reference"] == {"sql": SQL, "schema": SCHEMA, "db_id": "music"}

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"prompt": None}, "expected 'prompt' to be a list"),
            ({"prompt": []}, "expected one user message in 'prompt', found 0"),
            ({"prompt": [{"role": "user", "content": " "}]}, "the user message is ' '"),
            ({"prompt": [{"role": "user", "content": "CREATE TABLE a (b"}]}, "no complete CREATE"),
            ({"reward_model": {"ground_truth": ""}}, "ground_truth .* is '', expected a text"),
            ({"reward_model": None}, "ground_truth .* is None"),
            ({"extra_info": {}}, "db_id .* is None"),
        ],
    )
    def test_damaged_rows(self, tmp_path, changes, message):
        with pytest.raises(StudyError, match=rf"train.jsonl, row 2: .*{message}"):
            data.read(write(tmp_path, [record(), record(**changes)]))

    def test_damaged_files(self, tmp_path):
        with pytest.raises(StudyError, match=r"found none of train.parquet, train.jsonl"):
            data.read(tmp_path)
        (tmp_path / "train.json").write_text("{}")
        with pytest.raises(StudyError, match="expected a list of rows"):
            data.read(tmp_path)
        (tmp_path / "train.jsonl").write_text("")
        with pytest.raises(StudyError, match="holds no row"):
            data.read(tmp_path)
        (tmp_path / "train.jsonl").write_text(json.dumps(record())[:100])
        with pytest.raises(StudyError, match=r"train.jsonl, line 1.*cut off"):
            data.read(tmp_path)
        (tmp_path / "train.parquet").write_bytes(b"PAR1 and no more")
        with pytest.raises(StudyError, match=r"train.parquet: not a readable parquet file"):
            data.read(tmp_path)


@pytest.mark.parametrize(
    ("reply", "sql"),
    [
        ("```sql\nSELECT 1\n```", "SELECT 1"),
        ("```SQL\nSELECT 1;\n```", "SELECT 1"),
        ("```sqlite\nSELECT 1\n```\nThis query; selects", "SELECT 1"),
        ("Here:\n``` sql\r\nSELECT 1\r\n```", "SELECT 1"),
        ("```\nSELECT 1\n```", "SELECT 1"),
        ("```SELECT 1```", "SELECT 1"),
        ("```sql SELECT 1```", "SELECT 1"),
        ("```python\nprint()\n```\n```sql\nSELECT 1\n```", "SELECT 1"),
        ("```\ntext\n```\n```sql\nSELECT 1\n```", "SELECT 1"),
        ("```sql\nSELECT 1\n```\nor\n```sql\nSELECT 2\n```", "SELECT 1"),
        ("```sql\nSELECT ';' FROM a; and so on", "SELECT ';' FROM a"),
        ("```sql\nSELECT 1", "SELECT 1"),
        ("```sql\nSELECT 1\n\nFROM a", "SELECT 1\n\nFROM a"),
        ("SELECT 1", "SELECT 1"),
        ("The query is:\n  select a\nfrom b\n\nIt selects a.", "select a\nfrom b"),
        ("WITH a AS (SELECT 1) SELECT * FROM a; -- done", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("```sql\nSELECT '``' FROM a\n```", "SELECT '``' FROM a"),
        ("```sql\nDROP TABLE a\n```", "DROP TABLE a"),
        ("```sql\n```", None),
        ("```sql", None),
        ("```python\nSELECT 1\n```", "SELECT 1"),
        ("I would select the names.", None),
        ("SQL: SELECT 1", "SELECT 1"),
        ("The answer is: SELECT a FROM b; it counts.", "SELECT a FROM b"),
        ("`SELECT 1` is the query", "SELECT 1"),
        ("**SELECT 1**", "SELECT 1"),
        ("~~~sql\nSELECT 1\n~~~", "SELECT 1"),
        ("With the schema given, we need:\nSELECT 1", "SELECT 1"),
        ("With a as alias, values (1) help.", None),
        ("", None),
    ],
)
def test_extraction(reply, sql):
    assert extract_sql(reply) == sql


@given(st.lists(st.sampled_from(["```", "sql", "\n", "SELECT 1", ";", "'", '"', "--", "/*", " "])))
def test_extraction_never_fails(pieces):
    sql = extract_sql("".join(pieces))
    assert sql is None or sql.strip() == sql != ""


JOIN = "SELECT T1.name, count(*) FROM singer AS T1 JOIN song AS T2 ON T1.singer_id = T2.singer_id"

SAME = {
    "case of names and keywords": ("select NAME from Singer", "SELECT name FROM singer"),
    "qualified columns": ("SELECT singer.name FROM singer", "SELECT name FROM singer"),
    "table alias": ("SELECT s.name FROM singer AS s", "SELECT name FROM singer"),
    "output alias": ("SELECT count(*) AS n FROM singer", SQL),
    "quoted names": ('SELECT "Name" FROM [singer]', "SELECT `name` FROM singer"),
    "string in double quotes": (
        'SELECT name FROM singer WHERE country = "USA"',
        "SELECT name FROM singer WHERE country = 'USA'",
    ),
    "join order": (
        f"{JOIN} GROUP BY T1.name",
        "SELECT a.name, count(*) FROM song b JOIN singer a ON b.singer_id = a.singer_id "
        "GROUP BY a.name",
    ),
    "comma join": (
        f"{JOIN} GROUP BY T1.name",
        "SELECT singer.name, count(*) FROM song, singer WHERE singer.singer_id = song.singer_id "
        "GROUP BY singer.name",
    ),
    "USING": (JOIN, "SELECT name, count(*) FROM singer JOIN song USING (singer_id)"),
    "self join": (
        "SELECT a.name FROM singer a JOIN singer b ON a.age < b.age",
        "SELECT y.name FROM singer x JOIN singer y ON x.age > y.age",
    ),
    "order by output alias": (
        "SELECT name, count(*) AS n FROM singer GROUP BY name ORDER BY n DESC",
        "SELECT name, count(*) FROM singer GROUP BY name ORDER BY count(*) DESC",
    ),
    "order of conditions": (
        "SELECT name FROM singer WHERE age > 3 AND (country = 'x' OR country = 'y')",
        "SELECT name FROM singer WHERE ('y' = country OR country = 'x') AND 3 < age",
    ),
    "order of IN": (
        "SELECT name FROM singer WHERE age IN (1, 2)",
        "SELECT name FROM singer WHERE age IN (2, 1)",
    ),
    "star": ("SELECT * FROM singer", "SELECT Singer_ID, Name, Country, Age FROM singer"),
    "ascending": (
        "SELECT name FROM singer ORDER BY age ASC LIMIT 1",
        "SELECT name FROM singer ORDER BY age LIMIT 1",
    ),
    "unequal": ("SELECT name FROM singer WHERE age != 3", "SELECT name FROM singer WHERE age <> 3"),
    "inner query": (
        "SELECT name FROM singer WHERE singer_id IN (SELECT singer_id FROM song)",
        "SELECT s.name FROM singer s WHERE s.singer_id IN (SELECT t.singer_id AS i FROM song t)",
    ),
    "correlated query": (
        "SELECT name FROM singer WHERE age > (SELECT avg(i.age) FROM singer i "
        "WHERE i.country = singer.country)",
        "SELECT o.name FROM singer o WHERE (SELECT avg(x.age) FROM singer x "
        "WHERE o.country = x.country) < o.age",
    ),
    "query in FROM": (
        "SELECT count(*) FROM (SELECT name FROM singer) AS t",
        "SELECT count(*) FROM (SELECT s.name FROM singer s) AS q",
    ),
    "needless parentheses": (
        "SELECT (name) FROM singer WHERE ((age = 1))",
        "SELECT name FROM singer WHERE age = 1",
    ),
    "left outer join": (
        "SELECT a.name FROM singer a LEFT OUTER JOIN song b ON a.singer_id = b.singer_id",
        "SELECT a.name FROM singer a LEFT JOIN song b ON b.singer_id = a.singer_id",
    ),
    "between": (
        "SELECT name FROM singer WHERE age BETWEEN 20 AND 30 AND country = 'USA'",
        "SELECT name FROM singer WHERE country = 'USA' AND age <= 30 AND 20 <= age",
    ),
    "negated equality": (
        "SELECT name FROM singer WHERE NOT (age = 20)",
        "SELECT name FROM singer WHERE age <> 20",
    ),
    "a number in quotes against a column": (
        "SELECT name FROM singer WHERE age = '5' AND name < 5",
        "SELECT name FROM singer WHERE 5 = age AND name < '5'",
    ),
    "a whole number as floating": (
        "SELECT name FROM singer WHERE age IN (20.0, 1e1) GROUP BY name HAVING count(*) > 1.0",
        "SELECT name FROM singer WHERE age IN (10, 20) GROUP BY name HAVING count(*) > 1",
    ),
    "default place of NULL": (
        "SELECT name FROM singer ORDER BY age NULLS FIRST, name DESC NULLS LAST",
        "SELECT name FROM singer ORDER BY age, name DESC",
    ),
    "comments": (
        "SELECT name -- of ;\nFROM singer; /* all of them */ ; -- done",
        "/* names */ SELECT name FROM singer",
    ),
    "one in a list": (
        "SELECT name FROM singer WHERE country IN ('x')",
        "SELECT name FROM singer WHERE 'x' = country",
    ),
    "list and alternatives": (
        "SELECT name FROM singer WHERE age IN (1, 2) OR age = 3 OR name = 'x'",
        "SELECT name FROM singer WHERE name IN ('x') OR age IN (3, 2, 1, 1)",
    ),
    "not in a list": (
        "SELECT name FROM singer WHERE age NOT IN (1, NULL)",
        "SELECT name FROM singer WHERE NULL <> age AND NOT age = 1",
    ),
    "negated comparisons": (
        "SELECT name FROM singer WHERE NOT (age < 3 OR NOT age <= 5 OR name BETWEEN 'a' AND 'b')",
        "SELECT name FROM singer WHERE age >= 3 AND age <= 5 AND (name < 'a' OR 'b' < name)",
    ),
    "BETWEEN of what is rewritten": (
        "SELECT name FROM singer GROUP BY name HAVING COUNT(*) BETWEEN 1 AND (age IN (1))",
        "SELECT name FROM singer GROUP BY name HAVING COUNT(1) >= 1 AND (age = 1) >= COUNT(2)",
    ),
    "names in WITH": (
        "WITH a AS (SELECT name AS n FROM singer), b AS (SELECT n FROM a) SELECT n FROM b",
        "WITH x(y) AS (SELECT name FROM singer), z AS (SELECT y AS w FROM x) SELECT w FROM z",
    ),
    "WITH and query in FROM": (
        "WITH a AS (SELECT count(*) AS n FROM singer) SELECT n FROM a",
        "SELECT q.c FROM (SELECT count(*) AS c FROM singer) AS q",
    ),
    "quoted text that is another table's column": (
        'SELECT name FROM singer WHERE country = "Title"',
        "SELECT name FROM singer WHERE country = 'Title'",
    ),
    "column of USING": (
        "SELECT Singer_ID, * FROM singer JOIN song USING (singer_id)",
        "SELECT a.singer_id, a.*, song_id, title FROM singer a, song b "
        "WHERE b.singer_id = a.singer_id",
    ),
    "number of an output column": (
        "SELECT name, count(*) FROM singer GROUP BY 1 ORDER BY 2, name",
        "SELECT name, count(*) FROM singer GROUP BY name ORDER BY count(*), 1",
    ),
    "order of a union": (
        "SELECT name AS n FROM singer UNION SELECT title FROM song ORDER BY n",
        "SELECT title FROM song UNION SELECT name FROM singer ORDER BY 1",
    ),
    "order that leaves no tie": (
        "SELECT DISTINCT a.name FROM singer a JOIN song b ON a.singer_id = b.singer_id "
        "ORDER BY a.name LIMIT 3",
        "SELECT DISTINCT a.name FROM song b JOIN singer a ON a.singer_id = b.singer_id "
        "ORDER BY 1 LIMIT 3",
    ),
    "count of a constant": ("SELECT COUNT(1) FROM singer", "SELECT COUNT(*) FROM singer"),
    "sides of a union": (
        "SELECT name FROM singer UNION SELECT title FROM song",
        "SELECT title FROM song UNION SELECT name FROM singer",
    ),
}

DIFFERENT = {
    "not between": (
        "SELECT name FROM singer WHERE age NOT BETWEEN 20 AND 30",
        "SELECT name FROM singer WHERE age >= 20 AND age <= 30",
    ),
    "sides of EXCEPT": (
        "SELECT name FROM singer EXCEPT SELECT title FROM song",
        "SELECT title FROM song EXCEPT SELECT name FROM singer",
    ),
    "count of a column": ("SELECT COUNT(age) FROM singer", "SELECT COUNT(*) FROM singer"),
    "case of a literal": (
        "SELECT name FROM singer WHERE country = 'usa'",
        "SELECT name FROM singer WHERE country = 'USA'",
    ),
    "type of a literal": (
        "SELECT name FROM singer WHERE age + 0 = '5'",
        "SELECT name FROM singer WHERE age + 0 = 5",
    ),
    "floating against text": (
        "SELECT title FROM song WHERE title = 20.0",
        "SELECT title FROM song WHERE title = 20",
    ),
    "division of whole numbers": ("SELECT age / 2 FROM singer", "SELECT age / 2.0 FROM singer"),
    "blanks in a literal": (
        "SELECT name FROM singer WHERE country = 'New  York'",
        "SELECT name FROM singer WHERE country = 'New York'",
    ),
    "place of NULL": (
        "SELECT name FROM singer ORDER BY age NULLS LAST",
        "SELECT name FROM singer ORDER BY age",
    ),
    "place of NULL from the end": (
        "SELECT name FROM singer ORDER BY age DESC NULLS FIRST",
        "SELECT name FROM singer ORDER BY age DESC",
    ),
    "alias in an expression of ORDER BY": (
        "SELECT age AS singer_id FROM singer ORDER BY singer_id + 0",
        "SELECT age FROM singer ORDER BY age + 0",
    ),
    "alias that is a column elsewhere": (
        "SELECT age AS singer_id FROM singer WHERE singer_id > 1 GROUP BY singer_id",
        "SELECT age FROM singer WHERE age > 1 GROUP BY age",
    ),
    "quoted name in brackets is no text": (
        "SELECT name FROM singer WHERE country = [Title]",
        "SELECT name FROM singer WHERE country = 'Title'",
    ),
    "quoted name of a column in scope": (
        'SELECT name FROM singer WHERE EXISTS (SELECT 1 FROM song WHERE title = "Country")',
        "SELECT name FROM singer WHERE EXISTS (SELECT 1 FROM song WHERE title = 'Country')",
    ),
    "column outside GROUP BY": (
        f"{JOIN} GROUP BY T2.title",
        "SELECT a.name, count(*) FROM song b JOIN singer a ON b.singer_id = a.singer_id "
        "GROUP BY b.title",
    ),
    "ties under LIMIT": (
        f"{JOIN} GROUP BY T1.name ORDER BY count(*) LIMIT 1",
        "SELECT a.name, count(*) FROM song b JOIN singer a ON b.singer_id = a.singer_id "
        "GROUP BY a.name ORDER BY count(*) LIMIT 1",
    ),
    "function and operator": ("SELECT mod(age, 2) FROM singer", "SELECT age % 2 FROM singer"),
    "function and operator on text": (
        "SELECT concat(name, country) FROM singer",
        "SELECT name || country FROM singer",
    ),
    "unary plus": (
        "SELECT name FROM singer WHERE +age = '5'",
        "SELECT name FROM singer WHERE age = '5'",
    ),
    "types of casts": (
        "SELECT CAST(name AS STRING) FROM singer",
        "SELECT CAST(name AS TEXT) FROM singer",
    ),
    "sum of three": (
        "SELECT name FROM singer WHERE age + singer_id + 0.1 = 0.3",
        "SELECT name FROM singer WHERE singer_id + (0.1 + age) = 0.3",
    ),
    "list of columns": (
        "SELECT title FROM song WHERE title IN (singer_id)",
        "SELECT title FROM song WHERE title = singer_id",
    ),
    "truth of a number": (
        "SELECT NOT NOT age FROM singer",
        "SELECT age FROM singer",
    ),
    "order of columns": ("SELECT name, age FROM singer", "SELECT age, name FROM singer"),
    "distinct": ("SELECT DISTINCT name FROM singer", "SELECT name FROM singer"),
    "left join order": (
        "SELECT a.name FROM singer a LEFT JOIN song b ON a.singer_id = b.singer_id",
        "SELECT a.name FROM song b LEFT JOIN singer a ON a.singer_id = b.singer_id",
    ),
    "left against inner join": (
        "SELECT a.name FROM singer a LEFT JOIN song b ON a.singer_id = b.singer_id",
        "SELECT a.name FROM singer a JOIN song b ON a.singer_id = b.singer_id",
    ),
    "direction": (
        "SELECT name FROM singer ORDER BY age",
        "SELECT name FROM singer ORDER BY age DESC",
    ),
    "limit": ("SELECT name FROM singer LIMIT 1", "SELECT name FROM singer LIMIT 2"),
    "union all": (
        "SELECT name FROM singer UNION SELECT title FROM song",
        "SELECT name FROM singer UNION ALL SELECT title FROM song",
    ),
    "precedence": ("SELECT (age + 1) * 2 FROM singer", "SELECT age + 1 * 2 FROM singer"),
    "subtraction": ("SELECT age - (1 - 2) FROM singer", "SELECT age - 1 - 2 FROM singer"),
    "scope of NOT": (
        "SELECT name FROM singer WHERE NOT (age = 1 OR age = 2)",
        "SELECT name FROM singer WHERE NOT age = 1 OR age = 2",
    ),
    "comparison": (
        "SELECT name FROM singer WHERE age > 1",
        "SELECT name FROM singer WHERE age < 1",
    ),
    "column": ("SELECT name FROM singer", "SELECT country FROM singer"),
    "unknown column": ("SELECT nope FROM singer", "SELECT name FROM singer"),
    "no query": ("DELETE FROM singer", "SELECT name FROM singer"),
    "two queries": ("SELECT name FROM singer; SELECT 1", "SELECT name FROM singer"),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_same_queries(pair):
    assert canonical.canonical(pair[0], SCHEMA) == canonical.canonical(pair[1], SCHEMA) is not None
    assert canonical.same_query(*pair, SCHEMA)


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different_queries(pair):
    assert not canonical.same_query(*pair, SCHEMA)


COLLATED = """CREATE TABLE t (a INTEGER, name TEXT, x);

CREATE TABLE u (a INTEGER, d TEXT COLLATE NOCASE, e TEXT COLLATE NOCASE);"""
ONE_COLLATION = {
    "same collation": ("SELECT a FROM u WHERE d = e", "SELECT a FROM u WHERE e = d"),
    "a constant has none": ("SELECT a FROM u WHERE d > 'x'", "SELECT a FROM u WHERE 'x' < d"),
    "a function has none": (
        "SELECT a FROM u WHERE d = trim(e)",
        "SELECT a FROM u WHERE trim(e) = d",
    ),
}
LEFT_COLLATION = {
    "equality": (
        "SELECT t.a FROM t JOIN u ON t.name = u.d",
        "SELECT t.a FROM t JOIN u ON u.d = t.name",
    ),
    "order": ("SELECT t.a FROM t, u WHERE name < d", "SELECT t.a FROM t, u WHERE d > name"),
    "cast": (
        "SELECT t.a FROM t, u WHERE name = CAST(d AS TEXT)",
        "SELECT t.a FROM t, u WHERE CAST(d AS TEXT) = name",
    ),
    "union": (
        "SELECT name FROM t UNION SELECT d FROM u",
        "SELECT d FROM u UNION SELECT name FROM t",
    ),
    "written": (
        "SELECT t.a FROM t, u WHERE name COLLATE RTRIM = d",
        "SELECT t.a FROM t, u WHERE d = name COLLATE NOCASE",
    ),
    "one of several": (
        "SELECT d, count(*) FROM u JOIN t ON u.a = t.a GROUP BY d",
        "SELECT d, count(*) FROM t JOIN u ON u.a = t.a GROUP BY d",
    ),
    "any type": (
        "SELECT a FROM t WHERE x = '5'",
        "SELECT a FROM t WHERE x = 5",
    ),
}


@pytest.mark.parametrize("pair", ONE_COLLATION.values(), ids=ONE_COLLATION.keys())
def test_what_no_collation_tells_apart(pair):
    assert canonical.same_query(*pair, COLLATED)
    assert canonical.canonical(pair[0], COLLATED) is not None


@pytest.mark.parametrize("pair", LEFT_COLLATION.values(), ids=LEFT_COLLATION.keys())
def test_what_a_collation_may_tell_apart(pair):
    assert not canonical.same_query(*pair, COLLATED)


def test_cases_of_pairs(shared_data):
    file = shared_data.parent / "cases" / "sql_pairs.jsonl"
    if not file.is_file():
        pytest.skip(f"no handed cases: expected {file}")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    wrong = [
        row
        for row in rows
        if canonical.same_query(row["b"], row["a"], row["schema"]) != row["same"]
    ]
    assert rows and not wrong


def test_unreadable_reference_is_matched_by_text():
    odd = "SELECT name FROM singer WHERE nope = 1"
    assert canonical.same_query(odd.replace(" ", "\n"), odd, SCHEMA)
    assert not canonical.same_query("SELECT name FROM singer WHERE other = 1", odd, SCHEMA)


@pytest.mark.parametrize(
    ("reply", "parses", "runs", "match"),
    [
        (f"```sql\n{SQL}\n```", True, True, True),
        (f"```SQL\n{SQL.upper()};\n```\nIt counts.", True, True, True),
        (f"<think>```sql\nSELECT 1\n```</think>{SQL}", True, True, True),
        (f"<think>{SQL}</think>", False, False, False),
        ("```sql\nSELECT count(*) FROM nowhere\n```", True, False, False),
        ("```sql\nSELECT count( FROM singer\n```", False, False, False),
        ("no idea", False, False, False),
    ],
)
def test_outcomes(reply, parses, runs, match):
    outcome = score.outcomes(row(), reply)
    assert (outcome["parses"], outcome["runs"], outcome["match"]) == (parses, runs, match)
    assert outcome["ast_match"] is match and outcome["execution_match"] is None


def test_legacy_scores():
    outcome = score.outcomes(
        row("SELECT a FROM b WHERE c='USA'"), "```sql\nselect a  from b WHERE c = 'usa';\n```"
    )
    assert outcome["legacy_exact_match"] and outcome["legacy_edit_distance"] == 0
    outcome = score.outcomes(row("abcd"), "```\nabxx\n``` prose")
    assert not outcome["legacy_exact_match"]
    assert outcome["legacy_edit_distance"] == outcome["legacy_edit_similarity"] == 0.5
    outcome = score.outcomes(row("abcd"), "")
    assert outcome["legacy_edit_distance"] == 1


def test_metrics():
    items = [score.outcomes(row(), f"```sql\n{SQL}\n```")]
    table = score.metrics(items)
    assert score.PRIMARY in table and "execution_accuracy" not in table
    assert all(metric.outcome in items[0] for metric in table.values())
    assert "execution_accuracy" in score.metrics([items[0] | {"execution_match": False}])


@pytest.mark.parametrize(
    "text",
    [
        "`" * 10**6,
        "```sql\n" * 160_000,
        "SELECT " * 140_000,
        "'" * 10**6,
        "SELECT 1 " + " ,\n" * 330_000,
    ],
    ids=lambda text: text[:10],
)
def test_a_megabyte_takes_no_time(text):
    begin = time.process_time()
    score.outcomes(row(), text)
    assert time.process_time() - begin < 2


class TestRealData:
    def test_counts(self, real_rows):
        assert len(real_rows) == 653
        assert len({r["group"] for r in real_rows}) == 13

    def test_every_reference_is_itself_and_runs(self, real_rows):
        begin = time.process_time()
        for r in real_rows:
            outcome = score.outcomes(r, r["completion"][0]["content"])
            assert outcome["parses"] and outcome["runs"] and outcome["match"], outcome
            assert outcome["legacy_exact_match"]
            assert canonical.canonical(r["reference"]["sql"], r["reference"]["schema"])
        assert time.process_time() - begin < 20

    def test_rows_of_a_database_share_the_schema(self, real_rows):
        heads = {}
        for r in real_rows:
            head = r["prompt"][0]["content"].split("Question:")[0]
            assert r["reference"]["schema"].rstrip(";") in head
            heads.setdefault(r["group"], set()).add(head)
        assert all(len(head) == 1 for head in heads.values())


@pytest.fixture(scope="module")
def real_rows(shared_data):
    return data.read(shared_data / "nl2sql")["train"]
