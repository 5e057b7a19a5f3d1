// expect: compile_error
