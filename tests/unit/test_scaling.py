"""Plans of tests.bench.scaling, and that docs/explanation/scaling.md has those that it prints."""

import json

from attrs import evolve, fields
from click.testing import CliRunner
from twisted.trial.unittest import SynchronousTestCase

from tests.bench.scaling.__main__ import main
from tests.bench.scaling.figures import Figures, NoFigureError, Source
from tests.bench.scaling.load import Load
from tests.bench.scaling.page import PAGE, SHOWN, command, written
from tests.bench.scaling.plan import plan

FIGURES = Figures(
    joined_us=1,
    alone_us=10,
    message_us=30,
    plain_message_us=20,
    handshake_us=100,
    connection_kib=4,
    ping_us=1,
    reads=2,
    follow_us=200,
    channel_kib=8,
    kernel_kib=4,
    process_mib=64,
    tls_handshake_us=600,
    tls_connection_kib=28,
    publish_us=1,
    append_us=20,
    copy_alone_us=4,
    copy_joined_us=0.5,
    read_us=40,
    read_100_us=240,
    post_us=250,
    kept_bytes=300,
    log_bytes=5000,
    id_bytes=100,
)
# 20 processes in two machines, each with 10 000 clients, all of them following all of 10 channels.
LOAD = Load(
    clients=200_000,
    subscribers_per_channel=20_000,
    events_per_s=50,
    stay_s=1000,
    slow_percent=0,
    reconnect_s=10,
    machines=2,
    workers=10,
)


def run(*words):
    return CliRunner().invoke(main, words)


class PageTests(SynchronousTestCase):
    def test_the_page_has_the_plans_that_the_program_prints(self):
        """With the figures that the tables of the documentation have now."""
        page = PAGE.read_text()
        self.assertEqual(page, written(page, Figures.read({})), "python -m tests.bench.scaling --docs writes it anew")

    def test_the_commands_on_the_page_ask_for_its_plans(self):
        for load in SHOWN.values():
            _, _, _, *words = command(load).split()
            self.assertEqual(Load(**json.loads(run(*words, "--json").output)["load"]), load)

    def test_every_step_comes_to_what_its_arithmetic_says(self):
        """Numbers are shown rounded, so within a fiftieth."""
        for load in SHOWN.values():
            for step in all_steps(plan(load, FIGURES)):
                expression, _, most = step.arithmetic.replace(" ", "").replace("^", "**").partition(",atmost")
                value = eval(expression.replace("x", "*"))  # noqa: S307 - made by the program
                value = min(value, float(most)) if most else value
                self.assertApproximates(step.value, value, step.value / 50, step)


class PlanTests(SynchronousTestCase):
    def test_a_process(self):
        """Deliveries, events, pings, clients that come, channels that are followed anew, and other relays."""
        process = plan(LOAD, FIGURES).process
        self.assertEqual(process.connections.value, 10_000)
        self.assertEqual(process.deliveries.value, 50_000)
        self.assertAlmostEqual(process.events.value, 50)
        rest_us = 50 * 20 + 10_000 * 1 + 10_000 * 100 / 1000 + 10 * 200 / 1000 + 20 * 10 / 10
        self.assertAlmostEqual(process.alone.value, (50_000 * 10 + rest_us) / 1e6)
        self.assertAlmostEqual(process.joined.value, (50_000 * 1 + rest_us) / 1e6)

    def test_a_machine(self):
        """Memory of connections, processes, channels and rings; network; descriptors; ports."""
        machine = plan(LOAD, FIGURES).machine
        memory_kib = 100_000 * 8 + 10 * 64 * 1024 + 10 * 10 * 8 + 2**18
        self.assertAlmostEqual(machine.memory.value, memory_kib / 2**20)
        self.assertAlmostEqual(machine.network.value, 500_000 * 270 * 8 / 1e6)
        self.assertEqual(machine.descriptors.value, 10_064)
        self.assertAlmostEqual(machine.addresses.value, 100_000 / 28_232)
        self.assertAlmostEqual(machine.posts.value, 25 * 250 / 1e6)

    def test_clients_that_do_not_read_take_memory(self):
        """One of ten, 192 KiB each."""
        slow = plan(evolve(LOAD, slow_percent=10), FIGURES).machine.memory.value
        self.assertAlmostEqual(slow - plan(LOAD, FIGURES).machine.memory.value, 10_000 * 192 / 2**20)

    def test_redis(self):
        """A copy for each process, and what relays tell each other."""
        redis = plan(LOAD, FIGURES).redis
        copies = 50 * 20 + 20 * 20 / 10 + 20 * 2
        self.assertAlmostEqual(redis.copies.value, copies)
        rest_us = 50 * 20 + 10 * 20 * 40 / 1000 + 20 * 2 * 20
        self.assertAlmostEqual(redis.alone.value, (copies * 4 + rest_us) / 1e6)
        self.assertAlmostEqual(redis.joined.value, (copies * 0.5 + rest_us) / 1e6)
        self.assertAlmostEqual(redis.memory.value, (10 * 100 * 300 + 10 * 5000 + 50 * 120 * 100) / 2**30)
        self.assertAlmostEqual(redis.patience.value, 2**25 / (50 * 200))

    def test_all_come_back(self):
        """Handshakes and what was missed at a process, reads of logs at Redis."""
        storm = plan(LOAD, FIGURES).storm
        self.assertEqual(storm.handshakes.value, 1000)
        self.assertEqual(storm.missed.value, 50)
        work_us = 10_000 * 100 + 10 * 200 + 10_000 * 50 * 1
        self.assertAlmostEqual(storm.process.value, work_us / 10 / 1e6)
        self.assertAlmostEqual(storm.shortest.value, work_us / 1e6 / 0.7)
        self.assertAlmostEqual(storm.reads.value, 10 * 20 * 2)
        self.assertAlmostEqual(storm.redis.value, 400 * (40 + 50 * 2) / 10 / 1e6)
        self.assertAlmostEqual(storm.redis_wait.value, 400 * (40 + 50 * 2) / 1e6)

    def test_a_heartbeat_waits_for_so_many_reads_as_are_under_way(self):
        """At most 32 of each process."""
        many = evolve(LOAD, subscribers_per_channel=100, history_size=0, events_per_s=1)
        self.assertEqual(plan(many, FIGURES).storm.redis_wait.value, 0)
        wait_s = plan(evolve(many, history_size=1), FIGURES).storm.redis_wait.value
        self.assertAlmostEqual(wait_s, 20 * 32 * (40 + 10 / 2000 * 2) / 1e6)

    def test_nobody_is_owed_more_than_the_history(self):
        self.assertEqual(plan(evolve(LOAD, history_size=7), FIGURES).storm.missed.value, 7)

    def test_without_a_history_redis_keeps_and_reads_nothing(self):
        found = plan(evolve(LOAD, history_size=0), FIGURES)
        self.assertEqual((found.redis.memory.value, found.storm.reads.value), (0, 0))
        self.assertLess(found.redis.alone.value, plan(LOAD, FIGURES).redis.alone.value)
        self.assertLess(found.process.alone.value, plan(LOAD, FIGURES).process.alone.value)

    def test_a_channel_with_one_subscriber_goes_to_one_process(self):
        found = plan(evolve(LOAD, subscribers_per_channel=1), FIGURES)
        self.assertAlmostEqual(found.redis.followers.value, 1)
        self.assertAlmostEqual(found.process.channels.value, 10_000)

    def test_tls_costs_memory_and_handshakes(self):
        plain, tls = plan(LOAD, FIGURES), plan(evolve(LOAD, tls=1), FIGURES)
        self.assertAlmostEqual(tls.machine.memory.value - plain.machine.memory.value, 100_000 * 24 / 2**20)
        self.assertAlmostEqual(tls.storm.process.value - plain.storm.process.value, 10_000 * 500 / 10 / 1e6)

    def test_redis_has_a_core_of_the_only_machine(self):
        self.assertEqual(Load(cores=8, machines=1).processes_each, 6)
        self.assertEqual(Load(cores=8, machines=3).processes, 21)
        self.assertEqual(Load(cores=1).processes, 1)


class EnoughTests(SynchronousTestCase):
    def verdicts(self, load, figures=FIGURES):
        return {check.what: check.verdict for check in plan(load, figures).checks}

    def test_what_is_not_enough_is_named(self):
        self.assertEqual(set(self.verdicts(evolve(LOAD, events_per_s=30)).values()), {"enough"})
        verdicts = self.verdicts(evolve(LOAD, events_per_s=70, memory_gib=2))
        self.assertEqual(verdicts["a relay's core"], "only where events go out together")
        self.assertEqual(verdicts["a machine's memory"], "enough")
        self.assertEqual(verdicts["a machine's memory, a machine less"], "TOO LITTLE")
        slow = evolve(FIGURES, read_us=3000, read_100_us=3000)
        self.assertEqual(self.verdicts(LOAD, slow)["a heartbeat while all come back"], "TOO LITTLE")
        self.assertEqual(self.verdicts(evolve(LOAD, redis_gib=1e-4))["memory of Redis"], "TOO LITTLE")

    def test_one_redis_ends_where_the_square_of_the_fleet_fills_its_core(self):
        """Ten times of all is a hundred times the copies; in fleets it is ten times."""
        ten = evolve(LOAD, clients=2_000_000, events_per_s=500, machines=20)
        self.assertAlmostEqual(plan(ten, FIGURES).redis.copies.value, 500 * 200 + 200 * 200 / 10 + 200 * 2)
        wide = evolve(ten, events_per_s=1000)
        self.assertEqual(self.verdicts(wide)["the core of Redis"], "only where events go out together")
        fleets = plan(wide, FIGURES).fleets
        self.assertGreater(fleets, 1)
        self.assertEqual(self.verdicts(evolve(wide, fleets=fleets))["the core of Redis"], "enough")

    def test_where_no_number_of_fleets_helps_it_is_said(self):
        self.assertEqual(plan(evolve(LOAD, redis_gib=1e-9), FIGURES).fleets, 0)
        self.assertIn("No number of fleets", run("--redis-gib", "1e-9").output)


class FigureTests(SynchronousTestCase):
    def test_what_is_known_is_not_looked_up(self):
        known = {each.name: 3.0 for each in fields(Figures)}
        self.assertEqual(Figures.read(known).alone_us, 3)

    def test_a_cell_that_is_not_there_is_named(self):
        for source in (
            Source("performance.md", "nobody", "W1, µs per delivery"),
            Source("performance.md", "pulsetw, with history", "W9"),
            Source("performance.md", "pulsetw, with history", "W6, µs per message"),
        ):
            error = self.assertRaises(NoFigureError, source.read)
            self.assertIn(str(source), str(error))


class CommandTests(SynchronousTestCase):
    def test_a_figure_of_ones_own_goes_before_the_table(self):
        steps = json.loads(run("--json", "--alone-us", "1000").output)["steps"]["a relay process"]
        (alone,) = [step for step in steps if step["what"] == "CPU, events alone"]
        self.assertIn("x 1 000", alone["arithmetic"])

    def test_people_see_steps_and_what_they_come_to(self):
        shown = run("--clients", "20000000")
        self.assertEqual(shown.exit_code, 0, shown.output)
        for words in ("deliveries a second", "3 333 333", "TOO LITTLE", "Fewest fleets"):
            self.assertIn(words, shown.output)

    def test_a_number_that_makes_no_sense_is_named(self):
        for words, expected in (
            (("--machines", "0"), "--machines"),
            (("--alone-us", "nan"), "--alone-us"),
            (("--stay-s", "inf"), "--stay-s"),
            (("--history-size", "-1"), "--history-size"),
            (("--fleets", "2"), "--fleets"),
        ):
            refused = run(*words)
            self.assertEqual(refused.exit_code, 2)
            self.assertIn(expected, refused.output)


def all_steps(made):
    return [step for steps in made.parts.values() for step in steps]
