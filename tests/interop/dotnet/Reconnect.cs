// Microsoft's .NET client at work on two stateful connections, as `../js/reconnect.test.mjs` has the JavaScript client:
// calls, streams in both directions, cancelled streams, client results and messages to a group, all at the same time.
//
//     dotnet exec Reconnect.dll URL json|messagepack ROUNDS SECONDS
//
// It writes to its output, as JSON, what was wrong, what had not ended after so many seconds, why a connection was closed,
// and what was received. With LOG=1 the client's own log goes to the error output. `../dotnet_program.py` compiles and
// runs it. The compiler is Mono's, so the language is C# 7: no asynchronous streams, no top-level statements.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

class Witness
{
    public readonly List<string> Messages = new List<string>(), Closed = new List<string>();
    public readonly List<int> Asked = new List<int>();
    public readonly HubConnection Connection;
    public string Id;

    public Witness(string name, string url, string protocol, string group)
    {
        var builder = new HubConnectionBuilder();
        builder.WithUrl(url + "/hub-stateful", HttpTransportType.WebSockets).WithStatefulReconnect();
        if (protocol == "messagepack") builder.AddMessagePackProtocol();
        if (Environment.GetEnvironmentVariable("LOG") != null)
            builder.ConfigureLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(new Journal(name)));
        Connection = builder.Build();
        Connection.On<string, string>("ReceiveMessage", (sender, text) => { if (sender == group) Add(Messages, text); });
        Connection.On<int, int>("Double", value => { Add(Asked, value); return value * 2; });
        Connection.Closed += error => { Add(Closed, error == null ? "closed" : error.ToString()); return Task.CompletedTask; };
    }

    public async Task Start(string group)
    {
        await Connection.StartAsync();
        await Connection.InvokeAsync("Join", group);
        Id = await Connection.InvokeAsync<string>("ConnectionId");
    }

    static void Add<T>(List<T> list, T item)
    {
        lock (list) list.Add(item);
    }
}

class Journal : ILoggerProvider, ILogger
{
    readonly string name;
    public Journal(string name) { this.name = name; }
    public ILogger CreateLogger(string category) { return new Journal(name + " " + category.Split('.').Last()); }
    public void Dispose() { }
    public IDisposable BeginScope<T>(T state) { return null; }
    public bool IsEnabled(LogLevel level) { return true; }
    public void Log<T>(LogLevel level, EventId id, T state, Exception error, Func<T, Exception, string> text)
    {
        var line = DateTime.UtcNow.ToString("HH:mm:ss.fff") + " " + name + ": " + text(state, error);
        Console.Error.WriteLine(error == null ? line : line + " " + error);
    }
}

static class Program
{
    static readonly List<string> errors = new List<string>(), unfinished = new List<string>();
    static int rounds;
    static string group;
    static Task end;

    static void Same<T>(T expected, T found)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, found)) throw new Exception("expected " + expected + ", got " + found);
    }

    static void SameItems<T>(IEnumerable<T> expected, IEnumerable<T> found)
    {
        Same(string.Join(" ", expected.ToArray()), string.Join(" ", found.ToArray()));
    }

    static async Task Calls(Witness w)
    {
        for (var n = 0; n < rounds; n++)
        {
            Same(n + 1, await w.Connection.InvokeAsync<int>("Add", n, 1));
            await Task.Delay(10);
        }
    }

    static async Task CallsAtOnce(Witness w)
    {
        var texts = Enumerable.Range(0, rounds).Select(n => "text " + n).ToArray();
        for (var n = 0; n < rounds; n += 20)
        {
            var some = texts.Skip(n).Take(20).ToArray();
            SameItems(some, await Task.WhenAll(some.Select(text => w.Connection.InvokeAsync<string>("EchoText", text))));
        }
    }

    static async Task Messages(Witness w)
    {
        for (var n = 0; n < rounds; n++)
        {
            await w.Connection.InvokeAsync("ToGroup", group, "message " + n);
            await Task.Delay(10);
        }
    }

    static async Task Questions(Witness w, string id)
    {
        for (var n = 0; n < rounds; n++)
        {
            Same(n * 2, await w.Connection.InvokeAsync<int>("AskClient", id, n));
            await Task.Delay(10);
        }
    }

    static async Task<List<T>> Items<T>(Task<ChannelReader<T>> starting)
    {
        var reader = await starting;
        var items = new List<T>();
        T item;
        while (await reader.WaitToReadAsync())
            while (reader.TryRead(out item)) items.Add(item);
        return items;
    }

    static async Task Download(Witness w)
    {
        SameItems(Enumerable.Range(0, rounds), await Items(w.Connection.StreamAsChannelAsync<int>("Count", rounds, 10)));
    }

    static async Task Cancels(Witness w)
    {
        for (var n = 0; n < rounds / 10; n++)
        {
            var stop = new CancellationTokenSource();
            var reader = await w.Connection.StreamAsChannelAsync<int>("Count", 1000000, 1, stop.Token);
            for (var i = 0; i < 5; i++) Same(i, await reader.ReadAsync());
            stop.Cancel();
        }
    }

    static async Task Feed<T>(ChannelWriter<T> writer, Func<int, T> item)
    {
        for (var n = 0; n < rounds; n++)
        {
            writer.TryWrite(item(n));
            await Task.Delay(10);
        }
        writer.Complete();
    }

    static async Task Upload(Witness w)
    {
        var channel = Channel.CreateUnbounded<int>();
        var feeding = Feed(channel.Writer, n => n);
        Same(Enumerable.Range(0, rounds).Sum(), await w.Connection.InvokeAsync<int>("Sum", channel.Reader));
        await feeding;
    }

    static async Task BothWays(Witness w)
    {
        var channel = Channel.CreateUnbounded<string>();
        var feeding = Feed(channel.Writer, n => "word " + n);
        var shouted = await Items(w.Connection.StreamAsChannelAsync<string>("Shout", channel.Reader));
        SameItems(Enumerable.Range(0, rounds).Select(n => "WORD " + n), shouted);
        await feeding;
    }

    static async Task Ids(params Witness[] witnesses)
    {
        foreach (var w in witnesses) Same(w.Id, await w.Connection.InvokeAsync<string>("ConnectionId"));
    }

    static async Task Attempt(string name, Task work)
    {
        await Task.WhenAny(end, work);
        string error = null;
        if (work.IsCompleted) try { await work; } catch (Exception thrown) { error = name + ": " + thrown; }
        lock (errors)
        {
            if (!work.IsCompleted) unfinished.Add(name);
            else if (error != null) errors.Add(error);
        }
    }

    static bool Well { get { return errors.Count == 0 && unfinished.Count == 0; } }

    static async Task Run(string url, string protocol)
    {
        var ada = new Witness("ada", url, protocol, group);
        var ben = new Witness("ben", url, protocol, group);
        await Task.WhenAll(Attempt("start ada", ada.Start(group)), Attempt("start ben", ben.Start(group)));
        if (Well) await Task.WhenAll(
            Attempt("calls", Calls(ada)), Attempt("calls at once", CallsAtOnce(ben)), Attempt("messages", Messages(ada)),
            Attempt("questions", Questions(ben, ada.Id)), Attempt("download ada", Download(ada)),
            Attempt("download ben", Download(ben)), Attempt("upload", Upload(ben)), Attempt("both ways", BothWays(ada)),
            Attempt("cancelled streams", Cancels(ben)));
        if (Well) await Attempt("ids", Ids(ada, ben));
        if (Well) await Attempt("last", Last(ada, ben));
        Console.WriteLine(JsonSerializer.Serialize(new Dictionary<string, object>
        {
            { "errors", errors }, { "unfinished", unfinished }, { "closed", ada.Closed.Concat(ben.Closed).ToArray() },
            { "messages", new[] { ada.Messages.ToArray(), ben.Messages.ToArray() } },
            { "asked", new[] { ada.Asked.ToArray(), ben.Asked.ToArray() } },
        }));
    }

    static async Task Last(Witness ada, Witness ben)
    {
        await ada.Connection.InvokeAsync("ToGroup", group, "last");
        foreach (var w in new[] { ada, ben })
            while (true)
            {
                lock (w.Messages) if (w.Messages.Contains("last")) break;
                await Task.Delay(10);
            }
    }

    static void Main(string[] arguments)
    {
        rounds = int.Parse(arguments[2]);
        group = "dotnet " + Guid.NewGuid();
        end = Task.Delay(int.Parse(arguments[3]) * 1000);
        Run(arguments[0], arguments[1]).GetAwaiter().GetResult();
        Environment.Exit(0); // what has not ended is not waited for
    }
}
