//! Process 1 at the start and at the end, and the program that the kernel calls when it wants a module.
#![no_main]

use isolde::emergency::emergency;
use isolde::exit;
use isolde::machine::Machine;
use isolde::stages::drivers;
use isolde::sys::Sys;
use isolde::sys::linux::{Linux, fill_standard_streams, last_net};
use std::ffi::{c_char, c_int};

/// Called by the C library. Rust's own start-up, which a `fn main()` brings along, is left out: it ends the program where
/// there is neither a console nor /dev/null, and only to name a stack overflow in its message it links 100 kB of the C
/// library that nothing else needs.
#[allow(unsafe_code)] // no other function of the program has this name
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    fill_standard_streams();
    let mut machine = Machine::new(Linux::new());
    // By both names, as /proc may not be mounted: this must not be taken for the start of a boot.
    let names = [machine.sys().own_path(), std::env::args().next()];
    if names.iter().flatten().any(|name| exit::is_named(name)) {
        let verb = std::env::args().nth(1).unwrap_or_default();
        if std::process::id() == 1 {
            exit::leave(&mut machine, &verb)
        } else {
            exit::leave_by_script(&mut machine, &verb)
        }
        return 1;
    }
    if std::process::id() != 1 {
        // As `modprobe -q -- NAME` (kernel/module/kmod.c).
        let asked = std::env::args().next_back().unwrap_or_default();
        return drivers::answer(&mut machine, &asked).is_err().into();
    }
    last_net();
    loop {
        let Err(error) = isolde::boot(&mut machine);
        emergency(&mut machine, &error);
    }
}

/// The C library would translate its own messages, and for that links catalogues and character sets: 30 kB of init, and there
/// is no other language in an initramfs.
#[allow(unsafe_code)] // the C library calls it by this name
#[unsafe(no_mangle)]
extern "C" fn __dcgettext(_: *const c_char, message: *const c_char, _: c_int) -> *const c_char {
    message
}

/// What the C library calls when it finds itself broken. Its own one translates and prints the condition.
#[allow(unsafe_code)] // the C library calls it by this name
#[unsafe(no_mangle)]
extern "C" fn __assert_fail(_: *const c_char, _: *const c_char, _: u32, _: *const c_char) -> ! {
    std::process::abort()
}

/// Walks the stack, which has no tables here (see init.ld): it is at its end at once. So nothing asks for names of functions,
/// and what reads them out of debugging information is not linked.
#[cfg(panic = "abort")]
#[allow(unsafe_code)] // the standard library calls it by this name
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_: *const c_char, _: *const c_char) -> c_int {
    5 // _URC_END_OF_STACK
}
