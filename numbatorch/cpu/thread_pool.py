"""The text of the thread pool in LLVM's words; threads.py says what it does and loads it."""

import sys

_PARALLEL_ON = sys.platform.startswith("linux")  # elsewhere the caller runs all chunks: sleeping needs a futex
_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
_MOST_RUNS = 256  # of chunks, each on a cache line: more threads share them

_SERIAL = """
define void @numbatorch_open() nounwind {
 ret void
}

define void @numbatorch_close() nounwind {
 ret void
}

define void @numbatorch_await(ptr %counter, i64 %value) nounwind {
 ret void
}

define void @numbatorch_region(ptr %body, ptr %block, i64 %units, i64 %grain) nounwind {
 call void @serial(ptr %body, ptr %block, i64 %units, i64 %grain)
 ret void
}
"""

_COMMON = """
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
@numbatorch_limit = global i64 0, align 64
@numbatorch_rounds = global i64 0, align 64
; 1: chunks are walked from the last to the first. Any order is right.
@numbatorch_turned = global i64 0, align 64

declare ptr @PyInterpreterState_Get()
declare ptr @PyInterpreterState_ThreadHead(ptr)
declare ptr @PyThreadState_Next(ptr)

; Gives the GIL back, where Python has another thread that may want it: null where there is none, which saves 0.15 us.
define ptr @numbatorch_leave() nounwind {
 %interpreter = call ptr @PyInterpreterState_Get()
 %first = call ptr @PyInterpreterState_ThreadHead(ptr %interpreter)
 %second = call ptr @PyThreadState_Next(ptr %first)
 %alone = icmp eq ptr %second, null
 br i1 %alone, label %stay, label %leave
stay:
 ret ptr null
leave:
 %state = call ptr @PyEval_SaveThread()
 ret ptr %state
}

; Takes it again, with what numbatorch_leave gave.
define void @numbatorch_return(ptr %state) nounwind {
 %stayed = icmp eq ptr %state, null
 br i1 %stayed, label %exit, label %take
take:
 call void @PyEval_RestoreThread(ptr %state)
 br label %exit
exit:
 ret void
}

; Called with the GIL held, from the entry of a kernel.
define void @numbatorch_parallel(ptr %body, ptr %block, i64 %units, i64 %grain) nounwind {
 %state = call ptr @numbatorch_leave()
 %grain1 = call i64 @llvm.smax.i64(i64 %grain, i64 1)
 call void @numbatorch_region(ptr %body, ptr %block, i64 %units, i64 %grain1)
 call void @numbatorch_return(ptr %state)
 ret void
}
declare i64 @llvm.smax.i64(i64, i64)
declare i64 @llvm.smin.i64(i64, i64)

define internal void @run_chunk(ptr %body, ptr %block, i64 %units, i64 %grain, i64 %which) alwaysinline nounwind {
 %start = mul i64 %which, %grain
 %left = sub i64 %units, %start
 %size = call i64 @llvm.smin.i64(i64 %left, i64 %grain)
 %stop = add i64 %start, %size
 call void %body(ptr %block, i64 %start, i64 %stop)
 ret void
}

define internal void @serial(ptr %body, ptr %block, i64 %units, i64 %grain) nounwind {
entry:
 %turned = load atomic i64, ptr @numbatorch_turned monotonic, align 8
 %back = icmp ne i64 %turned, 0
 %upto = add i64 %units, %grain
 %last = sub i64 %upto, 1
 %chunks = sdiv i64 %last, %grain
 br label %head
head:
 %k = phi i64 [0, %entry], [%k1, %chunk]
 %more = icmp slt i64 %k, %chunks
 br i1 %more, label %chunk, label %exit
chunk:
 %k1 = add i64 %k, 1
 %mirrored = sub i64 %chunks, %k1
 %which = select i1 %back, i64 %mirrored, i64 %k
 call void @run_chunk(ptr %body, ptr %block, i64 %units, i64 %grain, i64 %which)
 br label %head
exit:
 ret void
}
"""

_POOL = """
; Each on a cache line of its own: written by different threads at different times.
@busy = internal global i64 0, align 64
@sleepers = internal global i64 0, align 64
@started = internal global i64 0, align 64
@patience = internal global i64 ROUNDS, align 64
; What a worker has to know comes to its core with the number that it waits for: the sequence, the region's function,
; its block, units, grain, how many runs there are, whether they are walked backwards.
%region = type { i64, ptr, ptr, i64, i64, i64, i64 }
@region = internal global %region zeroinitializer, align 64
; How many chunks workers have done, and whether the caller sleeps until that changes.
%result = type { i64, i64 }
@result = internal global %result zeroinitializer, align 64
; The chunks of each run that nobody has claimed: the first, and above it, shifted by 32, the one after the last.
@runs = internal global [MOST_RUNS x [8 x i64]] zeroinitializer, align 64

declare i64 @syscall(i64, ...)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
PAUSE_DECLARATION

define internal void @pause() alwaysinline nounwind {
 PAUSE
 ret void
}

; Claims and runs chunks of the runs `from` to `to`, counted from the run `own`, until none remain: how many it ran.
define internal i64 @work(i64 %own, i64 %from, i64 %to) noinline nounwind {
entry:
 %width = load atomic i64, ptr getelementptr (%region, ptr @region, i32 0, i32 5) monotonic, align 8
 %turned = load atomic i64, ptr getelementptr (%region, ptr @region, i32 0, i32 6) monotonic, align 8
 %back = icmp ne i64 %turned, 0
 %several = call i64 @llvm.smin.i64(i64 %to, i64 %width)
 br label %turn
turn:
 %k = phi i64 [%from, %entry], [%k1, %none]
 %count = phi i64 [0, %entry], [%count1, %none]
 %more = icmp ult i64 %k, %several
 br i1 %more, label %choose, label %exit
choose:
 %sum = add i64 %own, %k
 %which = urem i64 %sum, %width
 %run = getelementptr [8 x i64], ptr @runs, i64 %which
 %own_run = icmp eq i64 %k, 0
 %mine = xor i1 %own_run, %back
 ; A step of the first chunk, or back of the one after the last.
 %step = select i1 %mine, i64 1, i64 -4294967296
 br i1 %own_run, label %fetch, label %look
fetch:
 ; To be written at once, or the line would come twice: to be read and to be written.
 call void @llvm.prefetch.p0(ptr %run, i32 1, i32 3, i32 1)
 br label %look
look:
 %count1 = phi i64 [%count, %choose], [%count, %fetch], [%count1, %claim], [%counted, %claimed_one]
 %left = load atomic i64, ptr %run acquire, align 8
 %first = and i64 %left, 4294967295
 %end = lshr i64 %left, 32
 %some = icmp ult i64 %first, %end
 br i1 %some, label %claim, label %none
claim:
 %less = add i64 %left, %step
 %pair = cmpxchg ptr %run, i64 %left, i64 %less acq_rel acquire
 %claimed = extractvalue { i64, i1 } %pair, 1
 br i1 %claimed, label %claimed_one, label %look
claimed_one:
 %body = load ptr, ptr getelementptr (%region, ptr @region, i32 0, i32 1)
 %block = load ptr, ptr getelementptr (%region, ptr @region, i32 0, i32 2)
 %units = load i64, ptr getelementptr (%region, ptr @region, i32 0, i32 3)
 %grain = load i64, ptr getelementptr (%region, ptr @region, i32 0, i32 4)
 %last = sub i64 %end, 1
 %chunk = select i1 %mine, i64 %first, i64 %last
 call void @run_chunk(ptr %body, ptr %block, i64 %units, i64 %grain, i64 %chunk)
 %counted = add i64 %count1, 1
 br label %look
none:
 %k1 = add i64 %k, 1
 br label %turn
exit:
 ret i64 %count
}

; Adds to the chunks that workers have done, and wakes the caller if it sleeps.
define internal void @report(i64 %count) nounwind {
 %any = icmp sgt i64 %count, 0
 br i1 %any, label %add, label %exit
add:
 %old = atomicrmw add ptr @result, i64 %count seq_cst
 %asked = load atomic i64, ptr getelementptr (%result, ptr @result, i32 0, i32 1) seq_cst, align 8
 %wanted = icmp ne i64 %asked, 0
 br i1 %wanted, label %wake, label %exit
wake:
 %woken = call i64 (i64, ...) @syscall(i64 FUTEX, ptr @result, i32 129, i32 1, ptr null)
 br label %exit
exit:
 ret void
}

declare i32 @sched_yield()

; Waits until a counter has a value that other threads are about to bring it to: a barrier inside a region.
define void @numbatorch_await(ptr %counter, i64 %value) nounwind {
entry:
 br label %watch
watch:
 %round = phi i64 [0, %entry], [%next, %spin], [%next, %yield]
 %now = load atomic i64, ptr %counter acquire, align 8
 %reached = icmp eq i64 %now, %value
 br i1 %reached, label %exit, label %rest
rest:
 %next = add i64 %round, 1
 %long = icmp sgt i64 %next, 1000
 br i1 %long, label %yield, label %spin
spin:
 call void @pause()
 br label %watch
yield:
 %ignored = call i32 @sched_yield()
 br label %watch
exit:
 ret void
}

define internal ptr @worker(ptr %argument) nounwind {
entry:
 %index = ptrtoint ptr %argument to i64
 %own = add i64 %index, 1
 br label %spin
spin:
 %round = phi i64 [0, %entry], [%next, %rest], [%next, %ask], [%next0, %help], [0, %slept]
 %seen = phi i64 [-1, %entry], [%seen, %rest], [%seen, %ask], [%now, %help], [%seen, %slept]
 %now = load atomic i64, ptr @region acquire, align 8
 %other = icmp ne i64 %now, %seen
 %limit = load atomic i64, ptr @numbatorch_limit monotonic, align 8
 %allowed = icmp slt i64 %index, %limit
 %go = and i1 %other, %allowed
 br i1 %go, label %help, label %rest
help:
 ; What the caller may wait for is told before it is looked whether others have left something.
 %count = call i64 @work(i64 %own, i64 0, i64 1)
 call void @report(i64 %count)
 %more = call i64 @work(i64 %own, i64 1, i64 MOST_RUNS)
 call void @report(i64 %more)
 %total = add i64 %count, %more
 %some = icmp sgt i64 %total, 0
 %later = add i64 %round, 1
 %next0 = select i1 %some, i64 0, i64 %later
 br label %spin
rest:
 call void @pause()
 %next = add i64 %round, 1
 %weary = icmp sgt i64 %next, ROUNDS
 br i1 %weary, label %ask, label %spin
ask:
 %patience = load atomic i64, ptr @patience monotonic, align 8
 %tired = icmp sgt i64 %next, %patience
 br i1 %tired, label %sleep, label %spin
sleep:
 %before = atomicrmw add ptr @sleepers, i64 1 seq_cst
 %latest = load atomic i64, ptr @region seq_cst, align 8
 %changed = icmp ne i64 %latest, %seen
 %ready = and i1 %changed, %allowed
 br i1 %ready, label %slept, label %doze
doze:
 %expected = trunc i64 %latest to i32
 %result = call i64 (i64, ...) @syscall(i64 FUTEX, ptr @region, i32 128, i32 %expected, ptr null)
 br label %slept
slept:
 %after = atomicrmw sub ptr @sleepers, i64 1 seq_cst
 br label %spin
}

; Starts workers until there are `wanted`; fewer when the system refuses. Signals stay with Python's threads.
define internal void @start(i64 %wanted) noinline nounwind {
entry:
 %every = alloca [128 x i8], align 8
 %saved = alloca [128 x i8], align 8
 %thread = alloca i64
 call void @llvm.memset.p0.i64(ptr %every, i8 -1, i64 128, i1 false)
 %blocked = call i32 @pthread_sigmask(i32 0, ptr %every, ptr %saved)
 %first = load i64, ptr @started
 br label %head
head:
 %index = phi i64 [%first, %entry], [%following, %ok]
 %more = icmp slt i64 %index, %wanted
 br i1 %more, label %make, label %exit
make:
 %argument = inttoptr i64 %index to ptr
 %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %argument)
 %good = icmp eq i32 %failed, 0
 br i1 %good, label %ok, label %exit
ok:
 %id = load i64, ptr %thread
 %detached = call i32 @pthread_detach(i64 %id)
 %following = add i64 %index, 1
 store i64 %following, ptr @started
 br label %head
exit:
 %restored = call i32 @pthread_sigmask(i32 2, ptr %saved, ptr null)
 ret void
}

define void @numbatorch_region(ptr %body, ptr %block, i64 %units, i64 %asked_grain) nounwind {
entry:
 ; Chunks are counted in 32 bits.
 %many = lshr i64 %units, 31
 %least = add i64 %many, 1
 %grain = call i64 @llvm.smax.i64(i64 %asked_grain, i64 %least)
 %limit = load atomic i64, ptr @numbatorch_limit monotonic, align 8
 %several = icmp sgt i64 %limit, 0
 %much = icmp sgt i64 %units, %grain
 %worth = and i1 %several, %much
 br i1 %worth, label %try, label %alone
try:
 %pair = cmpxchg ptr @busy, i64 0, i64 1 acquire monotonic
 %mine = extractvalue { i64, i1 } %pair, 1
 br i1 %mine, label %describe, label %alone
alone:
 call void @serial(ptr %body, ptr %block, i64 %units, i64 %grain)
 ret void
describe:
 %last = sub i64 %units, 1
 %others = sdiv i64 %last, %grain
 %chunks = add i64 %others, 1
 %threads = add i64 %limit, 1
 %useful = call i64 @llvm.smin.i64(i64 %threads, i64 %chunks)
 %width = call i64 @llvm.smin.i64(i64 %useful, i64 MOST_RUNS)
 %turned = load atomic i64, ptr @numbatorch_turned monotonic, align 8
 store atomic i64 0, ptr @result monotonic, align 8
 store atomic i64 0, ptr getelementptr (%result, ptr @result, i32 0, i32 1) monotonic, align 8
 store ptr %body, ptr getelementptr (%region, ptr @region, i32 0, i32 1)
 store ptr %block, ptr getelementptr (%region, ptr @region, i32 0, i32 2)
 store i64 %units, ptr getelementptr (%region, ptr @region, i32 0, i32 3)
 store i64 %grain, ptr getelementptr (%region, ptr @region, i32 0, i32 4)
 store atomic i64 %width, ptr getelementptr (%region, ptr @region, i32 0, i32 5) monotonic, align 8
 store atomic i64 %turned, ptr getelementptr (%region, ptr @region, i32 0, i32 6) monotonic, align 8
 ; The caller's first chunk is claimed from the start: it runs while the others hear of the region.
 %back = icmp ne i64 %turned, 0
 %home = udiv i64 %chunks, %width
 %home_last = sub i64 %home, 1
 %chosen = select i1 %back, i64 %home_last, i64 0
 %begin = select i1 %back, i64 0, i64 1
 %finish = select i1 %back, i64 %home_last, i64 %home
 %finish_high = shl i64 %finish, 32
 %own = or i64 %finish_high, %begin
 store atomic i64 %own, ptr @runs release, align 8
 br label %share
share:
 %k = phi i64 [1, %describe], [%k1, %share]
 %first = phi i64 [%home, %describe], [%end, %share]
 %k1 = add i64 %k, 1
 %upto = mul i64 %chunks, %k1
 %end = udiv i64 %upto, %width
 %high = shl i64 %end, 32
 %run = or i64 %high, %first
 %place = getelementptr [8 x i64], ptr @runs, i64 %k
 store atomic i64 %run, ptr %place release, align 8
 %shared = icmp eq i64 %k1, %width
 br i1 %shared, label %publish, label %share
publish:
 ; Without waiting for what was written to reach other cores. A worker that lies down right now may miss this region,
 ; which is done without it, and is woken for the next.
 %number = load i64, ptr @region
 %number1 = add i64 %number, 1
 store atomic i64 %number1, ptr @region release, align 8
 %wanted = call i64 @llvm.smin.i64(i64 %limit, i64 %others)
 %started = load i64, ptr @started
 %few = icmp slt i64 %started, %wanted
 br i1 %few, label %more, label %call
more:
 call void @start(i64 %wanted)
 br label %call
call:
 %asleep = load atomic i64, ptr @sleepers seq_cst, align 8
 %any = icmp ne i64 %asleep, 0
 br i1 %any, label %wake, label %take
wake:
 ; More workers than allowed exist after set_num_threads to less: wake all, as any of them may be the allowed one.
 %surplus = icmp sgt i64 %started, %limit
 %number32 = trunc i64 %wanted to i32
 %woken = select i1 %surplus, i32 2147483647, i32 %number32
 %ignored = call i64 (i64, ...) @syscall(i64 FUTEX, ptr @region, i32 129, i32 %woken, ptr null)
 br label %take
take:
 call void @run_chunk(ptr %body, ptr %block, i64 %units, i64 %grain, i64 %chosen)
 %count = call i64 @work(i64 0, i64 0, i64 MOST_RUNS)
 %remain = sub i64 %others, %count
 br label %watch
watch:
 %round = phi i64 [0, %take], [%next, %pause]
 %finished = load atomic i64, ptr @result acquire, align 8
 %all = icmp eq i64 %finished, %remain
 br i1 %all, label %exit, label %pause
pause:
 call void @pause()
 %next = add i64 %round, 1
 %long = icmp sgt i64 %next, 1000
 br i1 %long, label %ask, label %watch
ask:
 store atomic i64 1, ptr getelementptr (%result, ptr @result, i32 0, i32 1) seq_cst, align 8
 br label %doze
doze:
 %reached = load atomic i64, ptr @result seq_cst, align 8
 %complete = icmp eq i64 %reached, %remain
 br i1 %complete, label %exit, label %wait
wait:
 %expected = trunc i64 %reached to i32
 %result = call i64 (i64, ...) @syscall(i64 FUTEX, ptr @result, i32 128, i32 %expected, ptr null)
 br label %doze
exit:
 store atomic i64 0, ptr @busy release, align 8
 ret void
}

; A program begins: workers get up, and wait longer for its next region before they sleep.
define void @numbatorch_open() nounwind {
 %rounds = load atomic i64, ptr @numbatorch_rounds monotonic, align 8
 store atomic i64 %rounds, ptr @patience monotonic, align 8
 %limit = load atomic i64, ptr @numbatorch_limit monotonic, align 8
 %asleep = load atomic i64, ptr @sleepers seq_cst, align 8
 %fewer = call i64 @llvm.smin.i64(i64 %limit, i64 %asleep)
 %any = icmp sgt i64 %fewer, 0
 br i1 %any, label %wake, label %exit
wake:
 %many = trunc i64 %limit to i32
 %woken = call i64 (i64, ...) @syscall(i64 FUTEX, ptr @region, i32 129, i32 %many, ptr null)
 br label %exit
exit:
 ret void
}

; It ends. Of several that run at once the first to end does this for all: the others lose some time, nothing else.
define void @numbatorch_close() nounwind {
 store atomic i64 ROUNDS, ptr @patience monotonic, align 8
 ret void
}

; In a forked child: no thread but the caller's exists, whatever the parent was doing.
define void @numbatorch_forked() nounwind {
 store i64 0, ptr @busy
 call void @llvm.memset.p0.i64(ptr @runs, i8 0, i64 MOST_RUNS_BYTES, i1 false)
 store i64 0, ptr @sleepers
 store %result zeroinitializer, ptr @result
 store i64 0, ptr @started
 store i64 ROUNDS, ptr @patience
 ret void
}
"""


def text(rounds, architecture):
    """IR of the pool for an architecture, whose idle workers spin `rounds` times before they sleep."""
    if architecture not in _FUTEX or not _PARALLEL_ON:
        return _COMMON + _SERIAL + "define void @numbatorch_forked() {\n ret void\n}\n"
    pause, declaration = "", ""
    if architecture == "x86_64":
        pause, declaration = "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"
    elif architecture == "aarch64":
        pause, declaration = "call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"
    pool = _POOL.replace("PAUSE_DECLARATION", declaration).replace("PAUSE", pause)
    pool = pool.replace("ROUNDS", str(rounds))
    pool = pool.replace("MOST_RUNS_BYTES", str(64 * _MOST_RUNS)).replace("MOST_RUNS", str(_MOST_RUNS))
    return _COMMON + pool.replace("FUTEX", str(_FUTEX[architecture]))
